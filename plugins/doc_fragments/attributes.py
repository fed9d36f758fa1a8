# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection says about its abilities."""

from __future__ import annotations


class ModuleDocFragment:
    """Names the attributes; each module adds its ``support``."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status it would have, without modifying the target.
  diff_mode:
    description: Returns details on what has changed (or would in C(check_mode)) when in diff mode.
  idempotent:
    description: When run twice in a row with the same arguments outside check mode, the second run changes nothing.
  platform:
    description: Operating systems and families that the module works on.
    platforms: posix
    support: full
"""

    # The group that takes module_defaults for all of the collection.
    ACTIONGROUP_OPS = r"""
attributes:
  action_group:
    description: Use C(group/keelson.ops.ops) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - keelson.ops.ops
"""

    # For modules that have an action plugin on the controller.
    ACTION = r"""
attributes:
  action:
    description: Has an action plugin that does a part of the work on the controller.
    support: full
  async:
    description: Can be run in the background with C(async).
    support: none
"""
