# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of ports as users write them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.keelson.ops.plugins.filter.expand_ports import expand_ports


def test_ranges_are_written_out_and_the_rest_stays() -> None:
    given = ["10.0.0.21:8001-8003", "app1.example.org:8001", "[fd00::1]:8001-8001", "unix//run/app.sock", "a-1:80"]
    assert expand_ports(given) == [
        "10.0.0.21:8001", "10.0.0.21:8002", "10.0.0.21:8003",
        "app1.example.org:8001", "[fd00::1]:8001", "unix//run/app.sock", "a-1:80",
    ]  # fmt: skip


def test_a_range_the_wrong_way_round() -> None:
    with pytest.raises(AnsibleFilterError, match=r"h:8003-8001: the range .* write h:8001-8003"):
        expand_ports(["h:8003-8001"])
