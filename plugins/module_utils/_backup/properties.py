# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a database but to no dump of its content: who may connect, settings, limit, comment."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from .fingerprint import quote_identifier, quote_literal

# An expression over a row of pg_database.
PROPERTIES = """json_build_object(
  'owner', pg_catalog.pg_get_userbyid(datdba),
  'connection_limit', datconnlimit,
  'acl', CASE WHEN datacl IS NOT NULL THEN (
    SELECT coalesce(json_agg(json_build_array(
      CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable)), '[]')
    FROM pg_catalog.aclexplode(datacl) g) END,
  'settings', (
    SELECT coalesce(json_agg(json_build_array(
      CASE WHEN s.setrole <> 0 THEN pg_catalog.pg_get_userbyid(s.setrole) END, item)), '[]')
    FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) item WHERE s.setdatabase = pg_database.oid),
  'comment', pg_catalog.shobj_description(oid, 'pg_database'))"""

NO_PROPERTIES: Mapping[str, Any] = {"owner": None, "connection_limit": -1, "acl": None, "settings": [], "comment": None}

# Their stored value is a list of quoted names, which a quoted whole would turn into one name.
_LISTS = frozenset(
    {"local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"},
)
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,\s]+))\s*(?:,|$)')


def is_plain(properties: Mapping[str, Any]) -> bool:
    """Whether nobody ever gave the database any."""
    return properties["acl"] is None and not properties["settings"] and properties["comment"] is None


def apply_statements(name: str, properties: Mapping[str, Any], roles: Collection[str]) -> tuple[list[str], list[str]]:
    """Statements that give database ``name`` these properties, and what is left out for want of its role.

    The database must be one that PUBLIC was denied.
    """
    database, statements, missing = quote_identifier(name), [], set()
    if properties["owner"] in roles:
        statements.append(f"ALTER DATABASE {database} OWNER TO {quote_identifier(properties['owner'])}")
    if properties["connection_limit"] != -1:
        statements.append(f"ALTER DATABASE {database} CONNECTION LIMIT {int(properties['connection_limit'])}")
    acl = properties["acl"]
    if acl is None:
        acl = [[None, "CONNECT", False], [None, "TEMPORARY", False]]
    for grantee, privilege, grantable in acl:
        if grantee is not None and grantee not in roles:
            missing.add(grantee)
            continue
        whom = "PUBLIC" if grantee is None else quote_identifier(grantee)
        option = " WITH GRANT OPTION" if grantable else ""
        statements.append(f"GRANT {privilege} ON DATABASE {database} TO {whom}{option}")
    for role, setting in properties["settings"]:
        if role is not None and role not in roles:
            missing.add(role)
            continue
        parameter, _equals, value = setting.partition("=")
        subject = f"ROLE {quote_identifier(role)} IN DATABASE {database}" if role else f"DATABASE {database}"
        statements.append(f"ALTER {subject} SET {_parameter(parameter)} TO {_value(parameter, value)}")
    if properties["comment"] is not None:
        statements.append(f"COMMENT ON DATABASE {database} IS {quote_literal(properties['comment'])}")
    skipped = [
        f"role {role} does not exist; its rights on the database and settings in it are left out"
        for role in sorted(missing)
    ]
    return statements, skipped


def _parameter(name: str) -> str:
    return ".".join(quote_identifier(part) for part in name.split("."))


def _value(parameter: str, value: str) -> str:
    if parameter not in _LISTS:
        return quote_literal(value)
    names = [quoted.replace('""', '"') or plain for quoted, plain in _NAME.findall(value)]
    return ", ".join(quote_literal(item) for item in names) or "''"
