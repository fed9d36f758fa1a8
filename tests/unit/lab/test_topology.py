# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of fleets, and what is said of one that cannot be."""

from __future__ import annotations

import pytest

from lab.progress import LabError
from lab.topology import Lab, LocalPorts, parse_host, parse_service


def test_the_whole_lab_has_distinct_addresses_and_two_releases() -> None:
    fleet = Lab().fleet()
    numbers = [machine.number for machine in (*fleet.hosts, *fleet.services)]
    assert len(set(numbers)) == len(numbers)
    assert {host.release for host in fleet.hosts} == {"trixie", "bookworm"}


def test_fewer_hosts_keep_every_service() -> None:
    fleet = Lab().fleet(["edge1"])
    assert [host.name for host in fleet.hosts] == ["edge1"]
    assert len(fleet.services) == len(Lab().fleet().services)


def test_an_unknown_host_is_answered_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no host web9; there are app1, app2, db1, edge1, mon1"):
        Lab().fleet(["edge1", "web9"])


def test_local_ports_are_moved_by_the_environment() -> None:
    moved = Lab(LocalPorts.of({"LAB_HTTPS_PORT": "9443"})).fleet(["edge1"])
    assert [port.local for port in moved.hosts[0].published] == [9443, 8080]
    with pytest.raises(LabError, match="LAB_HTTPS_PORT=no"):
        LocalPorts.of({"LAB_HTTPS_PORT": "no"})


@pytest.mark.parametrize("text", ["web1", "=trixie", "web1=", "web1=woody"])
def test_a_host_needs_a_name_and_a_known_release(text: str) -> None:
    with pytest.raises(LabError):
        parse_host(text, 11)


def test_an_unknown_service_is_answered_with_those_there_are() -> None:
    with pytest.raises(LabError, match="registry, acme, s3, mail, browser"):
        parse_service("ldap")
