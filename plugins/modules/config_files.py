#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Render and apply any number of configuration files in one call
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Renders templates on the controller and applies all of them, with copied files, directories and removals, in a
    single
    module run on the host. A loop over M(ansible.builtin.template) pays the price of a task for each file.
  - Every validator runs on staged copies before the first file is replaced. All files of a call are replaced or none;
    when one validation or replacement fails, the host is left as it was, so no file is written whose handler is not
    notified.
  - Handlers are named per file and only those of changed files are notified.
  - A file is replaced by writing a temporary file beside it, private from its creation, and renaming it. A reader
    sees the
    old content or the new, also when the run is killed.
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.attributes.action
attributes:
  check_mode:
    support: full
    details:
      - Validators that are installed do run, on staged copies. Those that are not are listed in
        RV(skipped_validations).
      - An owner, group or parent directory that does not exist yet is not an error in check mode; a package may
        bring it.
  diff_mode:
    support: full
    details:
      - The content of a file with O(files[].secret=true) is never shown, nor is binary content or more than 100 KiB.
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
options:
  files:
    description:
      - What should be on the host. Required.
      - Directories are made first, then files are replaced in the given order, then paths are removed.
    type: list
    elements: dict
    suboptions:
      dest:
        description:
          - Absolute path on the host. Given twice, it is an error.
          - Its directory must exist or be another entry of the same call.
          - A symbolic link at this path is replaced by the file (or removed), never followed; only for
            O(files[].state=directory)
            does a link that leads to a directory count as that directory.
        type: path
        required: true
      template:
        description:
          - A Jinja2 template, found and rendered as M(ansible.builtin.template) does it (C(templates/) of the role,
            C(ansible_managed), C(template_*) variables, C(trim_blocks)).
          - Exactly one of O(files[].template), O(files[].src) and O(files[].content) is needed for
            O(files[].state=file).
            They are ignored for O(files[].state=absent).
        type: str
      src:
        description: >-
          A file of the controller, found in C(files/) of the role, copied byte for byte. Vaulted files are decrypted.
        type: str
      content:
        description: The content itself. A dictionary or list is written as JSON.
        type: raw
      vars:
        description: Variables for O(files[].template) of this entry; they go before all others.
        type: dict
      owner:
        description: Name or numeric id of the owner. V(root) when not given.
        type: str
      group:
        description: Name or numeric id of the group. V(root) when not given.
        type: str
      mode:
        description: Permissions as a quoted octal string. V("0644") when not given, V("0755") for a directory.
        type: str
      state:
        description:
          - V(file) makes sure of content, owner and mode; V(directory) of a directory; V(absent) removes a file, a
            link or an
            empty directory.
        type: str
        choices: [file, directory, absent]
        default: file
      validate:
        description:
          - Command that checks the new content before anything is replaced; C(%s) stands for the staged file.
          - Run without a shell, for at most 60 seconds, and only when the file or another of its O(files[].set)
            changes.
          - The staged file keeps its final path below a temporary directory, which is private to the user of the
            module.
        type: str
      set:
        description:
          - Name of the files that are validated together. All of them, changed or not, are staged in one tree, so
            that
            relative paths from one to another lead to the new content.
        type: str
      notify:
        description: Handlers (names or C(listen) topics) to notify when this path changes.
        type: list
        elements: str
      backup:
        description: Keep the previous content as C(dest.pid.timestamp~) beside the file.
        type: bool
        default: false
      secret:
        description: Never show the content, in a diff or in the message of a failed template or validator.
        type: bool
        default: false
      force:
        description:
          - V(false) leaves the content of a file that exists as it is, and a symbolic link altogether. The owner and
            mode of a file are still kept.
        type: bool
        default: true
      diff:
        description: V(false) shows size and digest of the content in a diff, for a program whose lines nobody reads.
        type: bool
        default: true
  rendered:
    description: Filled by the action plugin of this module. Not to be given in a task.
    type: str
notes:
  - Files are limited to 5 MiB each.
  - O(files[].secret) is about what this module says. When Ansible itself fails to template an argument of the task, its
    message may quote the value; C(no_log) on the task hides that, and everything else.
  - A run that is interrupted after the files were replaced loses its notifications, as with every module.
  - SELinux contexts, ACLs and extended attributes are not managed.
  - Mount points (such as C(/etc/hosts) in a container) cannot be replaced.
seealso:
  - module: ansible.builtin.template
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Configure sshd and its banner
  keelson.ops.config_files:
    files:
      - dest: /etc/ssh/sshd_config
        template: sshd_config.j2
        mode: "0600"
        validate: sshd -t -f %s
        notify: Reload sshd
      - dest: /etc/issue.net
        content: |
          Authorised use only.

- name: Configure nginx; both files are validated together
  keelson.ops.config_files:
    files:
      - dest: /etc/nginx/sites
        state: directory
      - dest: /etc/nginx/nginx.conf
        template: nginx.conf.j2
        validate: nginx -t -c %s
        set: nginx
        notify: Reload nginx
      - dest: /etc/nginx/sites/shop.conf
        template: site.conf.j2
        vars:
          site: shop
        set: nginx
        notify: Reload nginx
      - dest: /etc/nginx/sites/default.conf
        state: absent
        set: nginx
        notify: Reload nginx

- name: Keep the password file of the exporter
  keelson.ops.config_files:
    files:
      - dest: /etc/keelson/exporter.env
        content: "DATA_SOURCE_PASS={{ exporter_password }}\n"
        mode: "0600"
        secret: true
        notify: Restart exporter
"""

RETURN = r"""
changed_files:
  description: The paths that changed (or would in check mode), in the order of their application.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config]
changed_sets:
  description: The names of the sets that something changed in.
  returned: success
  type: list
  elements: str
  sample: [nginx]
backups:
  description: The paths of the backups that were made.
  returned: success
  type: list
  elements: str
skipped_validations:
  description: Programs that were to validate but are not installed; only in check mode.
  returned: success
  type: list
  elements: str
  sample: [nginx]
failed_validations:
  description: One message for each validation that failed.
  returned: when a validation failed
  type: list
  elements: str
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import decode
from ansible_collections.keelson.ops.plugins.module_utils._files.diff import diffs
from ansible_collections.keelson.ops.plugins.module_utils._files.leftovers import sweep_beside, sweep_staged
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import observe
from ansible_collections.keelson.ops.plugins.module_utils._files.plan import make_plan
from ansible_collections.keelson.ops.plugins.module_utils._files.staging import validate
from ansible_collections.keelson.ops.plugins.module_utils._files.transaction import apply

FILE_SPEC = {
    "dest": {"type": "path", "required": True},
    "template": {"type": "str"},
    "src": {"type": "str"},
    "content": {"type": "raw"},
    "vars": {"type": "dict"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
    "validate": {"type": "str"},
    "set": {"type": "str"},
    "notify": {"type": "list", "elements": "str"},
    "backup": {"type": "bool", "default": False},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "diff": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": True},
}
SPEC = {
    "files": {"type": "list", "elements": "dict", "options": FILE_SPEC},
    "rendered": {"type": "str", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    run_module(module, lambda: _run(module))


def _run(module: AnsibleModule) -> dict[str, object]:
    if not module.params["rendered"]:
        raise OpsError("this module needs its action plugin: use it as keelson.ops.config_files in a task or with -m")
    check_mode = bool(module.check_mode)
    files = decode(module.params["rendered"])
    facts = observe(files)
    plan = make_plan(files, facts, check_mode=check_mode)
    base = "/run" if os.access("/run", os.W_OK) else module.tmpdir
    skipped = validate(plan, SubprocessRunner(), base=base, check_mode=check_mode)
    backups = []
    if not check_mode:
        now = SystemClock().now()
        backups = apply(plan, now)
        sweep_beside([file.dest for file in files], now.timestamp())
        sweep_staged(Path(base))
    result: dict[str, object] = {
        "changed": plan.changed,
        "changed_files": plan.changed_files,
        "changed_sets": plan.changed_sets,
        "backups": backups,
        "skipped_validations": skipped,
    }
    if module._diff:
        result["diff"] = diffs(plan, facts)
    return result


if __name__ == "__main__":
    main()
