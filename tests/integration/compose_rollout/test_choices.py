# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What options choose beside the Compose files: images, logins, and what happens to services that are no more."""

from __future__ import annotations

from pathlib import Path

from tests.integration.compose_rollout.conftest import Project

REGISTRY = Path(__file__).parent / "application" / "registry.py"
PASSWORD = "a-password-nobody-may-see"
REFERENCE = "127.0.0.1:5007/shop/web:v1"


def test_a_chosen_image_stays_for_commands_by_hand_and_orphans_go(project: Project) -> None:
    old = {"image": "application:v1", "volumes": ["/usr:/usr:ro"]}
    project.compose("v1", services={"old": old})
    assert project.deploy().rc == 0
    project.compose("v1")
    settings = [{"name": "web", "image": "application:v2"}]
    warned = project.deploy("--check", service_settings=settings)
    assert (warned.result["orphans"], warned.actions) == ([f"{project.name}-old-1"], {"web": "roll"}), warned.text
    deployed = project.deploy(service_settings=settings, remove_orphans=True)
    assert deployed.rc == 0, deployed.text
    assert deployed.result["orphans"] == [f"{project.name}-old-1"]
    assert project.containers("old") == []
    v2 = project.ids()
    by_hand = project.by_hand("up -d")
    assert project.ids() == v2, by_hand
    assert project.deploy(service_settings=settings, remove_orphans=True).result["changed"] is False
    assert project.deploy(state="rolled_back").rc == 0
    v1 = project.ids()
    assert [c["Image"] for c in project.containers()] == ["application:v1"] * 2
    project.by_hand("up -d")
    assert project.ids() == v1


def test_a_login_is_used_for_the_pull_and_kept_nowhere(project: Project) -> None:
    host = project.host
    host.write("/opt/images/registry.py", REGISTRY.read_text(encoding="utf-8"))
    host.sh("cp -a /opt/images/root /opt/images/served && echo v1 > /opt/images/served/application/version")
    serve = f"python3 /opt/images/registry.py 5007 me {PASSWORD} /opt/images/served"
    host.sh(f"systemd-run -q --unit it-registry {serve}")
    try:
        project.compose(image=REFERENCE)
        login = {"server": "127.0.0.1:5007", "username": "me", "password": PASSWORD}
        refused = project.deploy(registry=[{**login, "password": "wrong"}])
        assert "option registry" in refused.result["msg"], refused.text
        assert project.containers() == []
        outcome = project.deploy("-vvv", registry=[login])
        assert outcome.rc == 0, outcome.text
        assert PASSWORD not in outcome.text
        assert [c["Image"] for c in project.containers()] == [REFERENCE] * 2
        kept = f"grep -rlF {PASSWORD} /root/.docker /home/*/.docker {project.state} /var/log/keelson /tmp 2>/dev/null"
        assert host.sh(kept, check=False) == ""
    finally:
        host.sh(f"systemctl stop it-registry; docker rmi -f {REFERENCE} >/dev/null", check=False)
