# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Compose project as a role's option describes it, checked and made into files. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .._core.errors import OpsError
from .definition import declare_secrets, harden, literal_variables
from .dotenv import render, text_of
from .environment import Rule, Variable, is_secret, parse_rules, problems

NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
FILE_NAME = re.compile(r"^[A-Za-z0-9._-]+$")
SOURCES = ("definition", "template", "src")
COMPOSE_FILE = "compose.yaml"
ROLLOUT_KEYS = ("version", "profiles", "service_settings", "proxy", "hooks")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file below ``secrets/``; without a ``uid`` every container that it is given to can read it."""

    name: str
    content: str = field(repr=False)
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A checked project. Exactly one of ``definition`` and ``source`` (``template`` or ``src``, a path) is there."""

    name: str
    directory: PurePosixPath
    definition: Mapping[str, object] | None
    source: tuple[str, str] | None
    env_files: Mapping[str, Mapping[str, str]] = field(repr=False)
    secrets: tuple[SecretFile, ...] = field(repr=False)

    def files(self) -> list[dict[str, object]]:
        """The project's directories, env files and secrets as entries of config_files; the Compose file comes apart."""
        entries: list[dict[str, object]] = [{"dest": str(self.directory), "state": "directory"}]
        if self.secrets:
            entries.append({"dest": str(self.directory / "secrets"), "state": "directory", "mode": "0700"})
        for name, variables in self.env_files.items():
            # Compose interpolates from .env alone, so only that one has to be there when the Compose file is validated.
            group = {"set": self._set} if name == ".env" else {}
            entries.append(self._entry(name, content=render(variables), mode="0600", secret=True, **group))
        for secret in self.secrets:
            owner = {"mode": "0444"} if secret.uid is None else {"mode": "0400", "owner": str(secret.uid)}
            entries.append(self._entry(f"secrets/{secret.name}", content=secret.content, secret=True, **owner))
        return entries

    def compose_file(self, content: str | None) -> dict[str, object]:
        """The Compose file's entry: ``content`` for an inline definition, else the user's own file."""
        # Unlike --quiet, --services does not ask for the env files, whose presence would have the message withheld.
        check = f"docker compose --project-name {self.name} --file %s config --services"
        source = {"content": content} if self.source is None else dict([self.source])
        return self._entry(COMPOSE_FILE, validate=check, set=self._set, **source)

    @property
    def _set(self) -> str:
        return f"compose {self.name}"

    def _entry(self, path: str, **values: object) -> dict[str, object]:
        return {"dest": str(self.directory / path), **values}


def parse_project(
    raw: Mapping[str, object], *, rules: Sequence[Rule] = (), defaults: Mapping[str, object] | None = None
) -> Project:
    """The project that ``raw`` describes, with ``defaults`` in its services. Raises OpsError with every problem."""
    name = str(raw.get("name", ""))
    if not NAME.match(name):
        raise OpsError(f"project {name!r}: a name is small letters and digits, with - and _ after the first")
    given = [key for key in SOURCES if raw.get(key)]
    if len(given) != 1:
        raise OpsError(f"project {name}: give exactly one of {', '.join(SOURCES)}")
    env_files = {_file_name(name, key): _variables(value) for key, value in _items(raw.get("env_files"))}
    secrets = tuple(_secret(name, key, value) for key, value in _items(raw.get("secret_files")))
    definition = dict(_items(raw.get("definition"))) or None
    kept = [Variable(key, value, file) for file, pairs in env_files.items() for key, value in pairs.items()]
    kept += [Variable(secret.name, secret.content, "secret_files") for secret in secrets]
    own = _own_rules(name, raw.get("environment_rules"))
    _check(name, (*own, *rules), kept, literal_variables(definition or {}))
    if definition is not None:
        definition = declare_secrets(definition, [secret.name for secret in secrets])
        definition = harden(definition, defaults) if defaults else definition
    return Project(
        name=name,
        directory=PurePosixPath(str(raw.get("directory") or f"/opt/{name}")),
        definition=definition,
        source=None if definition is not None else (given[0], str(raw[given[0]])),
        env_files=env_files,
        secrets=secrets,
    )


def rollout_options(project: Project, raw: Mapping[str, object]) -> dict[str, object]:
    """The options of compose_rollout for a project, those that were not given left out; none of them is a secret."""
    options: dict[str, object] = {"project": project.name, "project_directory": str(project.directory)}
    options |= {key: raw[key] for key in ROLLOUT_KEYS if raw.get(key)}
    return options | {key: value for key, value in _items(raw.get("rollout")) if value is not None}


def _check(name: str, rules: Sequence[Rule], kept: Sequence[Variable], inline: Sequence[Variable]) -> None:
    found = problems([*kept, *inline], rules)
    found += [
        f"{variable.name} ({variable.origin}) is a secret; move it to env_files or secret_files"
        for variable in inline
        if is_secret(variable.name, rules)
    ]
    if found:
        raise OpsError(f"project {name} is not deployed: {'; '.join(found)}", problems=found)


def _own_rules(name: str, value: object) -> tuple[Rule, ...]:
    return parse_rules(value if isinstance(value, (list, tuple)) else (), f"project {name}: environment_rules")


def _secret(project: str, name: str, value: object) -> SecretFile:
    if isinstance(value, Mapping):
        uid = value.get("uid")
        return SecretFile(_file_name(project, name), text_of(value.get("content")), None if uid is None else int(uid))
    return SecretFile(_file_name(project, name), text_of(value))


def _variables(value: object) -> dict[str, str]:
    return {key: text_of(inner) for key, inner in _items(value)}


def _file_name(project: str, name: str) -> str:
    if not FILE_NAME.match(name) or name in {".", "..", COMPOSE_FILE}:
        raise OpsError(f"project {project}: {name!r} is not a file name (letters, digits, . _ -)")
    return name


def _items(value: object) -> list[tuple[str, object]]:
    return [(str(key), inner) for key, inner in value.items()] if isinstance(value, Mapping) else []
