# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects become files and rollouts, or one error with everything that is wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.environment import Rule
from ansible_collections.keelson.ops.plugins.module_utils._compose.project import parse_project, rollout_options
from ansible_collections.keelson.ops.plugins.module_utils._compose.registry import login_files
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

RULES = (Rule("*PASSWORD*", min_length=16),)
DEFINITION = {"services": {"web": {"image": "web:1"}}}


def raw(**values: Any) -> dict[str, Any]:
    return {"name": "shop", "definition": DEFINITION, **values}


def by_path(entries: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    return {str(entry["dest"]).removeprefix("/opt/shop").lstrip("/"): entry for entry in entries}


def test_env_files_are_private_and_the_one_that_compose_reads_is_validated_with_its_file() -> None:
    project = parse_project(raw(env_files={".env": {"A": 1, "B": True}, "app.env": {}}))
    files = by_path(project.files())
    assert (files[".env"]["content"], files[".env"]["mode"], files[".env"]["secret"]) == ("A=1\nB=true\n", "0600", True)
    compose = project.compose_file("text")
    assert compose["set"] == files[".env"]["set"]
    assert "set" not in files["app.env"]
    assert compose["validate"] == "docker compose --project-name shop --file %s config --services"


def test_secrets_lie_in_a_directory_for_root_and_belong_to_the_user_of_the_container_when_it_is_named() -> None:
    project = parse_project(raw(secret_files={"plain": "v", "owned": {"content": "w", "uid": 70}}))
    files = by_path(project.files())
    assert files["secrets"] == {"dest": "/opt/shop/secrets", "state": "directory", "mode": "0700"}
    assert (files["secrets/plain"]["mode"], files["secrets/plain"].get("owner")) == ("0444", None)
    assert (files["secrets/owned"]["mode"], files["secrets/owned"]["owner"]) == ("0400", "70")
    assert files["secrets/owned"]["content"] == "w"
    assert all(files[f"secrets/{name}"]["secret"] for name in ("plain", "owned"))
    assert project.definition is not None
    assert set(project.definition["secrets"]) == {"plain", "owned"}  # type: ignore[call-overload]


def test_a_file_of_the_user_is_taken_as_it_is() -> None:
    project = parse_project({"name": "shop", "directory": "/srv/shop", "template": "compose.yaml.j2"})
    entry = project.compose_file(None)
    assert (entry["dest"], entry["template"]) == ("/srv/shop/compose.yaml", "compose.yaml.j2")
    assert "content" not in entry


def test_every_problem_is_told_at_once_and_no_value() -> None:
    project = raw(
        env_files={".env": {"API_KEY": "your-api-key", "DB_PASSWORD": "tiny-one"}},
        environment_rules=[{"name": "JWT_SECRET", "required": True}],
    )
    with pytest.raises(OpsError) as caught:
        parse_project(project, rules=RULES)
    message = caught.value.message
    assert message.startswith("project shop is not deployed: ")
    assert all(name in message for name in ("API_KEY", "DB_PASSWORD", "JWT_SECRET"))
    assert "your-api-key" not in message
    assert "tiny-one" not in message
    assert len(caught.value.facts["problems"]) == 3  # type: ignore[arg-type]


def test_a_secret_in_the_definition_is_sent_to_where_it_belongs() -> None:
    inline = {"services": {"db": {"environment": {"DB_PASSWORD": "q" * 20}}}}
    with pytest.raises(OpsError, match=r"DB_PASSWORD \(services\.db\.environment\) is a secret; move it to env_files"):
        parse_project(raw(definition=inline), rules=RULES)
    given = {"services": {"db": {"environment": {"DB_PASSWORD": "${DB_PASSWORD}"}}}}
    parse_project(raw(definition=given, env_files={".env": {"DB_PASSWORD": "q" * 20}}), rules=RULES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Shop"}, "'Shop': a name is"),
        ({"definition": None}, "exactly one of definition, template, src"),
        ({"template": "x.j2"}, "exactly one of definition, template, src"),
        ({"env_files": {"../x": {}}}, "'../x' is not a file name"),
        ({"env_files": {"compose.yaml": {}}}, "'compose.yaml' is not a file name"),
        ({"secret_files": {"a/b": "c"}}, "'a/b' is not a file name"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError) as caught:
        parse_project(raw(**wrong))
    assert message in caught.value.message


def test_rollout_options_hold_what_was_given_and_no_secret() -> None:
    given = raw(
        version="1.2.0",
        profiles=[],
        service_settings=[{"name": "web", "replicas": 2}],
        rollout={"drain_delay": 4.0, "pull": None},
        secret_files={"x": "hidden-content"},
    )
    options = rollout_options(parse_project(given), given)
    assert options == {
        "project": "shop",
        "project_directory": "/opt/shop",
        "version": "1.2.0",
        "service_settings": [{"name": "web", "replicas": 2}],
        "drain_delay": 4.0,
    }


def test_registries_become_the_file_that_docker_reads() -> None:
    login = {"host": "registry.example:5000", "username": "ci", "password": "p:w"}
    *directories, file = login_files([login])
    assert [entry["state"] for entry in directories] == ["directory", "directory"]
    assert (file["mode"], file["secret"]) == ("0600", True)
    auth = json.loads(str(file["content"]))["auths"]["registry.example:5000"]["auth"]
    assert base64.b64decode(auth) == b"ci:p:w"
    assert login_files([]) == []


def test_a_registry_without_a_password_is_refused() -> None:
    with pytest.raises(OpsError, match=r"registry\.example needs host, username and password"):
        login_files([{"host": "registry.example", "username": "ci"}])
