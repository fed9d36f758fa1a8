# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one edge between an engine and Ansible: results go out, errors become ``fail_json``, secrets stay in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._core.errors import OpsError, unforeseen


def run_module(module: AnsibleModule, body: Callable[[], dict[str, object]]) -> None:
    """Exit the module with what ``body`` returns.

    An OpsError fails with its message and facts. Any other exception fails with what `unforeseen` tells of it only:
    its text and traceback may hold a secret.
    """
    facts: dict[str, Any] = {}
    try:
        result = body()
    except OpsError as error:
        message, facts = error.message, error.facts
    except Exception as error:
        message = unforeseen(error)
    else:
        module.exit_json(**result)
        return
    # Not in the handlers: fail_json would add the traceback, and so the text, of the exception being handled.
    module.fail_json(msg=message, **facts)
