# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the role compose_app is given to the files that it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.keelson.ops.plugins.module_utils._compose.environment import parse_rules
from ansible_collections.keelson.ops.plugins.module_utils._compose.project import parse_project, rollout_options
from ansible_collections.keelson.ops.plugins.module_utils._compose.registry import login_files
from ansible_collections.keelson.ops.plugins.module_utils._compose.written import (
    PATH,
    Record,
    both,
    leftovers,
    only,
    read_record,
    text_of_record,
    written_of,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

DOCUMENTATION = r"""
name: compose_plan
short_description: Check Compose projects and make them into files
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Checks the projects of role P(keelson.ops.compose_app#role) (names, environment rules, placeholders, secrets in the
    wrong place) and makes out of them the files to write and the options of M(keelson.ops.compose_rollout).
  - Fails with everything that is wrong, before a host is touched. The message never shows a value.
options:
  _input:
    description: The projects, as C(compose_app_projects).
    type: list
    elements: dict
    required: true
  rules:
    description: Rules for the variables of every project, as C(compose_app_environment_rules).
    type: list
    elements: dict
    default: []
  service_defaults:
    description: Keys for every service of an inline definition that doesn't have them itself. None when empty.
    type: dict
    default: {}
  registries:
    description: Registries to sign in to, as C(compose_app_registries).
    type: list
    elements: dict
    default: []
  recorded:
    description: What the host's record of written files says (C(/var/lib/keelson/compose_app.json)); empty without one.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write every file of every project in one call
  keelson.ops.config_files:
    files: "{{ (projects | keelson.ops.compose_plan(rules=[{'name': '*PASSWORD*', 'min_length': 16}])).files }}"
"""

RETURN = r"""
_value:
  description: What to do.
  type: dict
  contains:
    files:
      description: Entries for option C(files) of M(keelson.ops.config_files).
      type: list
      elements: dict
    leftovers:
      description:
        - Entries for option C(files) of M(keelson.ops.config_files) that remove what earlier runs wrote for these
          projects and what they no longer name. For after the deployment.
      type: list
      elements: dict
    rollouts:
      description: For each project the options of M(keelson.ops.compose_rollout) that were given; no secrets.
      type: list
      elements: dict
"""


def compose_plan(
    projects: Sequence[Mapping[str, object]],
    rules: Sequence[Mapping[str, object]] = (),
    service_defaults: Mapping[str, object] | None = None,
    registries: Sequence[Mapping[str, object]] = (),
    recorded: str = "",
) -> dict[str, list[dict[str, object]]]:
    """The files, the leftovers and the rollouts of every project. Raises AnsibleFilterError."""
    try:
        common = parse_rules(_plain(rules), "compose_app_environment_rules")
        files = login_files(_plain(registries))
        rollouts, written = [], {}
        for raw in _plain(projects):
            project = parse_project(raw, rules=common, defaults=_plain(service_defaults))
            text = None if project.definition is None else _yaml(project.definition)
            entries = [*project.files(), project.compose_file(text)]
            own = (str(entry["dest"]) for entry in entries if entry.get("state") != "directory")
            written[project.name] = written_of(project.directory, own)
            files += entries
            rollouts.append(rollout_options(project, raw))
        before = read_record(str(recorded))
        files += [{"dest": str(PurePosixPath(PATH).parent), "state": "directory"}, _record(both(before, written))]
        gone: list[dict[str, object]] = [
            {"dest": path, "state": "absent", "secret": True} for path in leftovers(before, written)
        ]
        if gone:
            gone.append(_record(only(before, written)))
    except OpsError as error:
        raise AnsibleFilterError(error.message) from None
    return {"files": files, "rollouts": rollouts, "leftovers": gone}


def _record(record: Record) -> dict[str, object]:
    return {"dest": PATH, "content": text_of_record(record), "mode": "0600"}


def _yaml(definition: Mapping[str, object]) -> str:
    # A default that several services share would be written once with anchors, which nobody likes to read.
    text = yaml.dump(_plain(definition), Dumper=_WithoutAnchors, sort_keys=False, allow_unicode=True, width=120)
    return f"# Managed by Ansible (keelson.ops.compose_app)\n{text}"


class _WithoutAnchors(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _plain(value: Any) -> Any:
    """Without Ansible's own string and container types, which YAML's dumper does not know."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


class FilterModule:
    """Ansible's filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"compose_plan": compose_plan}
