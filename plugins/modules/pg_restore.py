#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore PostgreSQL databases from the restore points that pg_backup made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restore
short_description: Restore PostgreSQL databases from restore points of pg_backup, or rehearse it
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Restores a point into a new database, compares it with the fingerprint that was taken with the backup, and only
    then
    gives it its name. A database that has this name is renamed in the same transaction, while nobody can connect,
      and is
    kept as C(<name>_before_<time>). Without O(confirm) no database is replaced.
  - The new database gets the owner, rights, settings and comment of the one that it replaces, or those that were
    backed up.
  - With O(tables) only these are restored, into a schema C(restored_<time of the point>) of the live database, to
    compare
    and copy rows from. No live row, trigger or sequence is touched.
  - With O(drill) everything is restored, compared, asked the backup's assertions, and removed again. The result
    tells how
    long it took and how old the content was.
  - A restore that fails leaves the databases as they were. What a killed one left, which is a database with a name
    of its
    own, is removed by the next. Roles that it had created stay.
options:
  databases:
    description:
      - The database whose restore point is wanted. May be left out when the backup in O(config) has only one. A
        drill takes
        several.
      - Needed with O(destinations).
  point:
    description: V(latest), an id, or a time such as V(2026-11-22T14:30:00Z) for the newest point that began by then.
    type: str
    default: latest
  into:
    description:
      - Name of the restored database, the original's when not given. With O(tables), the database that gets the
        schema.
    type: str
  confirm:
    description: The name of the database that is to be replaced. A restore fails when one would be and this isn't
      its name.
    type: str
  tables:
    description: Only these tables, each as C(schema.table).
    type: list
    elements: str
  roles:
    description:
      - Whether to create the roles of the backup that the server lacks, with their passwords and memberships.
        Roles that
        exist stay as they are.
    type: bool
    default: true
  keep_old:
    description:
      - After a restore, remove all but so many of the newest databases that restores set aside. When not given,
        all stay.
      - The one that this restore sets aside always stays. With O(state=cleaned), V(0) removes all.
    type: int
  keep_old_for:
    description: Remove databases that were set aside longer ago, as V(30d). The newest stays.
    type: str
  force:
    description: Restore also when the database was restored from this point before.
    type: bool
    default: false
  state:
    description:
      - V(restored) restores.
      - V(undone) puts the database back that the last restore replaced, and sets the restored one aside in turn.
      - V(cleaned) removes what killed restores and drills left, and databases set aside beyond O(keep_old) and
        O(keep_old_for).
    type: str
    choices: [restored, undone, cleaned]
    default: restored
  old_database:
    description: With O(state=undone), the database to put back, when it isn't the one that the last restore replaced.
    type: str
  drill:
    description: Restore as a test, into a database that is removed again.
    type: bool
    default: false
  drill_image:
    description:
      - Drill in a container of its own, without network, from this image; V(same) is that of the container that is
        backed
        up. When not given, in the server itself.
    type: str
  rto_target:
    description: How long a recovery may take. A drill tells whether it was kept.
    type: str
    default: 4h
  rpo_target:
    description: How old the content may be. A drill tells whether it was kept.
    type: str
    default: 24h
  assertions:
    description: Questions that a drill asks the restored database. With O(config), those of the configuration when
      not given.
    type: list
    elements: dict
    suboptions:
      sql:
        description: A statement that answers with one boolean, which must be true.
        type: str
        required: true
      database:
        description: Database it is about; all of them when not given.
        type: str
      name:
        description: What it is called for people.
        type: str
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.backup
  - keelson.ops.backup.target_server
attributes:
  check_mode:
    support: full
    details: Returns what would be created, renamed and removed. Needs no O(confirm).
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - A database that this host restored from the same point is left as it is, whatever was written into it
        since, unless
        O(force) is set. V(latest) is the same point until there is a newer one. Tables that are in the schema stay
          too.
      - An undone restore is undone once. A drill changes nothing.
seealso:
  - module: keelson.ops.pg_backup
  - module: keelson.ops.pg_backup_info
"""

EXAMPLES = r"""
- name: The database is corrupt. The newest backup takes its place, and it is kept beside it
  keelson.ops.pg_restore:
    config: shop
    confirm: shop

- name: That was a mistake
  keelson.ops.pg_restore:
    config: shop
    state: undone
    confirm: shop

- name: Rows were deleted by accident. Have the table as it was in the morning beside the live one
  keelson.ops.pg_restore:
    config: shop
    point: "2026-11-22T08:00:00Z"
    tables: [public.orders]
  register: restored

- name: Copy the lost rows back
  community.postgresql.postgresql_query:
    login_db: shop
    query: >-
      INSERT INTO public.orders SELECT * FROM {{ restored.schema }}.orders r
      WHERE NOT EXISTS (SELECT FROM public.orders o WHERE o.id = r.id)

- name: Yesterday's production in the staging server, anew when there is a newer backup
  keelson.ops.pg_restore:
    databases: [shop]
    destinations:
      - {type: s3, bucket: shop-backups, prefix: db1, credentials_file: /etc/keelson/s3-credentials}
    compose_project: staging
    compose_service: postgres
    confirm: shop
    keep_old: 1

- name: A rehearsal in a server of its own
  keelson.ops.pg_restore:
    config: shop
    drill: true
    drill_image: same
    rto_target: 1h
  register: rehearsal
  failed_when: rehearsal is failed or not rehearsal.within_targets
"""

RETURN = r"""
id:
  description: The restore point.
  returned: for a restore
  type: str
database:
  description: The database that it is of.
  returned: for a restore
  type: str
destination:
  description: Where it was read from.
  returned: for a restore
  type: str
into:
  description: Name of the database that was restored.
  returned: unless O(drill)
  type: str
reason:
  description: What is done or why nothing is.
  returned: in check mode, and unless O(state=restored)
  type: str
schema:
  description: Schema with the restored tables.
  returned: with O(tables)
  type: str
set_aside:
  description: Name that the replaced database has now.
  returned: when one was replaced
  type: str
removed:
  description: Databases that were removed.
  returned: unless O(drill)
  type: list
  elements: str
created_roles:
  description: Roles that the server lacked.
  returned: for a restore
  type: list
  elements: str
outage_seconds:
  description: How long nobody could connect to the database that was replaced.
  returned: when one was replaced
  type: float
rto_seconds:
  description: How long it took, comparison included.
  returned: for a restore outside check mode
  type: float
rpo_seconds:
  description: How old the content is.
  returned: for a restore outside check mode
  type: float
tables:
  description: Tables that were compared.
  returned: for a restore
  type: int
rows:
  description: Rows in them.
  returned: for a restore
  type: int
assertions:
  description: Assertions that held, always 0 for a restore.
  returned: for a restore outside check mode
  type: int
drills:
  description:
    - Each drill, with RV(ignore:database), RV(ignore:id), RV(ignore:rto_seconds), RV(ignore:rpo_seconds),
      RV(ignore:rows), RV(ignore:assertions), RV(ignore:within_targets), RV(ignore:missed) and RV(ignore:warnings). In
      check mode the restore points that would be used, as M(keelson.ops.pg_backup_info) returns them.
  returned: with O(drill)
  type: list
  elements: dict
within_targets:
  description: Whether every drill kept O(rto_target) and O(rpo_target).
  returned: with O(drill), outside check mode
  type: bool
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._backup.arguments import RESTORE_CONSTRAINTS, SERVER, SHARED
from ansible_collections.keelson.ops.plugins.module_utils._backup.backup import Backup, open_backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.drill import Targets, clean_drills, drill
from ansible_collections.keelson.ops.plugins.module_utils._backup.report import (
    drill_data,
    listed_data,
    restore_plan_data,
    restore_plan_text,
    restored_data,
    undo_data,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore import plan_restore, restore
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import Keep, Request
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import (
    Assertion,
    Settings,
    settings_of_module,
    with_server,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.undo import clean, undo
from ansible_collections.keelson.ops.plugins.module_utils._backup.verify import choose
from ansible_collections.keelson.ops.plugins.module_utils._core.duration import parse_duration
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module

OPTIONS = {
    "point": {"type": "str", "default": "latest"},
    "into": {"type": "str"},
    "confirm": {"type": "str"},
    "tables": {"type": "list", "elements": "str"},
    "roles": {"type": "bool", "default": True},
    "keep_old": {"type": "int"},
    "keep_old_for": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["restored", "undone", "cleaned"], "default": "restored"},
    "old_database": {"type": "str"},
    "drill": {"type": "bool", "default": False},
    "drill_image": {"type": "str"},
    "rto_target": {"type": "str", "default": "4h"},
    "rpo_target": {"type": "str", "default": "24h"},
    "assertions": {
        "type": "list",
        "elements": "dict",
        "options": {
            "sql": {"type": "str", "required": True},
            "database": {"type": "str"},
            "name": {"type": "str"},
        },
    },
    "target_server": {
        "type": "dict",
        "options": SERVER,
        "mutually_exclusive": [("container", "compose_service"), ("login_host", "login_unix_socket")],
        "required_together": [("compose_project", "compose_service")],
    },
}


def settings(module: AnsibleModule) -> Settings:
    """The backup with what the task changes of it. Raises OpsError."""
    params = module.params
    given = {key: params[key] for key in SHARED if not (key == "databases" and params["config"])}
    found = settings_of_module(given)
    if params["config"] and params["databases"]:
        unknown = set(params["databases"]) - set(found.databases)
        if unknown:
            raise OpsError(f"{', '.join(sorted(unknown))}: not part of backup {found.name} (option databases)")
        found = replace(found, databases=tuple(params["databases"]))
    if params["assertions"] is not None:
        found = replace(found, assertions=tuple(Assertion(**item) for item in params["assertions"]))
    if params["target_server"] is not None:
        options = {key: value for key, value in params["target_server"].items() if value is not None}
        found = with_server(found, options, "target_server")
    return found


def run(module: AnsibleModule) -> dict[str, object]:
    """Do what the options say; in check mode tell."""
    params, check = module.params, bool(module.check_mode)
    backup = open_backup(settings(module))
    if params["drill"]:
        return _drill(module, backup, check=check)
    if len(backup.settings.databases) != 1:
        raise OpsError(f"say which database (option databases; one of {', '.join(backup.settings.databases)})")
    age = params["keep_old_for"]
    request = Request(
        database=backup.settings.databases[0],
        point=params["point"],
        into=params["into"],
        tables=tuple(params["tables"] or ()),
        confirm=params["confirm"],
        create_roles=params["roles"],
        keep=Keep(params["keep_old"], None if age is None else parse_duration(age, "options: keep_old_for")),
        force=params["force"],
    )
    if params["state"] == "undone":
        return undo_data(undo(backup, request, params["old_database"], check=check))
    if params["state"] == "cleaned":
        drills = [] if check else list(clean_drills(backup))
        done = undo_data(clean(backup, request.target, request.keep, request.confirm, check=check))
        return {**done, "changed": bool(drills or done["changed"]), "removed": [*drills, *done["removed"]]}
    if check:
        planned = restore_plan_data(plan_restore(backup, request))
        return {**planned, "diff": {"prepared": restore_plan_text(planned)}}
    data = restored_data(restore(backup, request))
    for text in data.pop("warnings"):
        module.warn(text)
    return {**data, "diff": {"prepared": restore_plan_text(data) if data["changed"] else ""}}


def _drill(module: AnsibleModule, backup: Backup, *, check: bool) -> dict[str, object]:
    params = module.params
    names = backup.settings.databases
    if check:
        return {"changed": False, "drills": [listed_data(choose(backup, name, params["point"])) for name in names]}
    targets = Targets(*(parse_duration(params[key], f"options: {key}") for key in ("rto_target", "rpo_target")))
    done = [drill_data(drill(backup, name, params["point"], image=params["drill_image"]), targets) for name in names]
    return {"changed": False, "drills": done, "within_targets": all(item["within_targets"] for item in done)}


def main() -> None:
    module = AnsibleModule(argument_spec={**SHARED, **OPTIONS}, supports_check_mode=True, **RESTORE_CONSTRAINTS)
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
