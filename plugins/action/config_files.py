# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render on the controller, apply in one module run, notify for what changed."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import encode
from ansible_collections.keelson.ops.plugins.module_utils._files.options import FileOptions, parse_files
from ansible_collections.keelson.ops.plugins.plugin_utils._rendering import Renderer


class ActionModule(ActionBase):
    """The controller's half of keelson.ops.config_files."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            parsed = self._options()
            renderer = Renderer(self, variables)
            rendered = encode(renderer.render(options) for options in parsed)
        except OpsError as error:
            problem = error.message
        else:
            return self._apply(parsed, rendered, variables)
        raise AnsibleActionFail(problem)

    def _options(self) -> tuple[FileOptions, ...]:
        unknown = sorted(set(self._task.args) - {"files"})
        if unknown:
            raise OpsError(f"option {unknown[0]} is not known; the only one is files")
        if self._task.args.get("files") is None:
            raise OpsError("option files is required")
        return parse_files(self._task.args["files"])

    def _apply(self, parsed: tuple[FileOptions, ...], rendered: str, variables: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="keelson.ops.config_files", module_args={"rendered": rendered}, task_vars=variables
        )
        result.pop("invocation", None)
        changed = set(result.get("changed_files", ()))
        self._notify(name for options in parsed if options.file.dest in changed for name in options.notify)
        return result

    def _notify(self, names: Any) -> None:
        """Add handlers to those of the task; its result takes them over when the action has returned.

        A new list each time: the task's own may be shared by the items of a loop and by other hosts.
        """
        extended = list(dict.fromkeys([*(self._task.notify or []), *names]))
        if extended:
            self._task.notify = extended
