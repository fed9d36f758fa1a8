# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses with ranges of ports, written out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: expand_ports
short_description: Write out addresses that end in a range of ports
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - C(host:8001-8003) becomes C(host:8001), C(host:8002) and C(host:8003). All other addresses stay as they are.
options:
  _input:
    description: The addresses.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Three upstreams, the last of another host
  ansible.builtin.debug:
    msg: "{{ ['10.0.0.21:8001-8002', '10.0.0.22:8001'] | keelson.ops.expand_ports }}"
"""

RETURN = r"""
_value:
  description: The addresses, in their order.
  type: list
  elements: str
"""

RANGE = re.compile(r"(.*):(\d+)-(\d+)")


def expand_ports(addresses: Iterable[str]) -> list[str]:
    """One address for each port. Raises AnsibleFilterError for a range that holds none."""
    return [one for address in addresses for one in _expanded(address)]


def _expanded(address: str) -> list[str]:
    found = RANGE.fullmatch(address)
    if found is None:
        return [address]
    host, first, last = found[1], int(found[2]), int(found[3])
    if first > last:
        raise AnsibleFilterError(f"{address}: the range of ports ends before it begins; write {host}:{last}-{first}")
    return [f"{host}:{port}" for port in range(first, last + 1)]


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Its name."""
        return {"expand_ports": expand_ports}
