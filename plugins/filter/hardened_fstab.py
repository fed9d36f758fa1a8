# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options in the text of /etc/fstab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.keelson.ops.plugins.module_utils._files.fstab import hardened

DOCUMENTATION = r"""
name: hardened_fstab
short_description: Add mount options to the text of C(/etc/fstab)
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Adds options to the lines of given mount points and lines for mount points that have none.
  - A changed line is kept in a comment above it. Without O(points) and O(missing), all is as it was before; a line that
    somebody has edited since stays as it is.
options:
  _input:
    description: The text.
    type: str
    required: true
  points:
    description: Options by mount point, for the lines that the text has. They take the place of contrary ones.
    type: dict
    default: {}
  missing:
    description: Whole lines for mount points that the text has no line for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: The file with two more options
  ansible.builtin.debug:
    msg: "{{ 'LABEL=home /home ext4 defaults 0 2' | keelson.ops.hardened_fstab({'/home': ['nodev', 'nosuid']}) }}"
"""

RETURN = r"""
_value:
  description: The text to write.
  type: str
"""


def hardened_fstab(text: str, points: Mapping[str, Sequence[str]] | None = None, missing: Sequence[str] = ()) -> str:
    """The text with options for the lines of ``points``, and with the lines that it lacks."""
    return hardened(text, points or {}, missing)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Its name."""
        return {"hardened_fstab": hardened_fstab}
