# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of each file, made on the controller in the way of ansible.builtin.template and ansible.builtin.copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ansible.template
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.text.converters import to_bytes
from ansible.plugins.action import ActionBase
from ansible.template import generate_ansible_template_vars
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile
from ansible_collections.keelson.ops.plugins.module_utils._files.options import FileOptions, Source, check_size

# ansible-core before 2.19 trusts all text; since then a template is text that was marked.
TRUST_IS_MARKED = hasattr(ansible.template, "trust_as_template")


class Renderer:
    """Fills in the content of files for one task."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any]) -> None:
        self._action = action
        self._task_vars = task_vars

    def render(self, options: FileOptions) -> DesiredFile:
        """The file of ``options`` with its content. Raises OpsError naming the dest; never quotes a secret."""
        file, source = options.file, options.source
        if source is None:
            return file
        try:
            content = self._content(source, file.dest)
        except OpsError:
            raise
        except Exception as error:  # noqa: BLE001  # any filter of a template may raise anything
            problem = _told(error, secret=file.secret)
        else:
            return replace(file, content=check_size(file.dest, content))
        raise OpsError(f"{file.dest}: option {source.kind}: {problem}", dest=file.dest, option=source.kind)

    def _content(self, source: Source, dest: str) -> bytes:
        if source.kind == "content":
            return source.value.encode()
        if source.kind == "src":
            path = self._action._find_needle("files", source.value)
            return Path(self._action._loader.get_real_file(path)).read_bytes()
        return self._template(source, dest)

    def _template(self, source: Source, dest: str) -> bytes:
        path = self._action._find_needle("templates", source.value)
        generated = generate_ansible_template_vars(source.value, path, dest)
        if "ansible_managed" in self._task_vars:
            del generated["ansible_managed"]
        variables = {**self._task_vars, **generated, **source.variables}
        done = self._jinja(path, self._search_path(path), variables)
        return bytes(to_bytes("" if done is None else done, errors="surrogate_or_strict"))

    def _search_path(self, template: str) -> list[str]:
        roots = [
            *self._task_vars.get("ansible_search_path", []),
            self._action._loader.get_basedir(),
            str(Path(template).parent),
        ]
        return [place for root in roots for place in (str(Path(root) / "templates"), root)]

    def _jinja(self, path: str, search_path: list[str], variables: dict[str, Any]) -> Any:
        overrides = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}
        templar = self._action._templar.copy_with_new_env(searchpath=search_path, available_variables=variables)
        loader = self._action._loader
        if TRUST_IS_MARKED:
            text = ansible.template.trust_as_template(loader.get_text_file_contents(path))
            return templar.template(text, escape_backslashes=False, overrides=overrides)
        text = loader._get_file_contents(path)[0].decode()
        return templar.do_template(text, preserve_trailing_newlines=True, escape_backslashes=False, overrides=overrides)


def _told(error: Exception, *, secret: bool) -> str:
    """What may be said of ``error``: names of variables are harmless, but other messages can quote values."""
    if secret and not isinstance(error, AnsibleUndefinedVariable):
        return f"{type(error).__name__}; the message is withheld, the file is secret"
    text = getattr(error, "message", None) if isinstance(error, AnsibleError) else None
    return str(text or error)
