# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles out of a dump of globals, and what belongs to a database but to no dump."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.properties import (
    NO_PROPERTIES,
    apply_statements,
    is_plain,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.roles import missing_roles, split_statements

GLOBALS = r'''--
-- PostgreSQL database cluster dump
--

\restrict 2k3j4hkj23h4

SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';

CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:old';
CREATE ROLE shop;
ALTER ROLE shop WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:it''s;x';
COMMENT ON ROLE shop IS 'two
lines; -- and more';
CREATE ROLE "Odd ""one""";
ALTER ROLE "Odd ""one""" WITH NOSUPERUSER NOLOGIN;
CREATE ROLE readers;
ALTER ROLE readers WITH NOLOGIN;
ALTER ROLE shop SET "search_path" TO 'a', E'b\';c';

GRANT readers TO shop WITH INHERIT TRUE GRANTED BY admin_of_old;
GRANT pg_monitor TO shop WITH INHERIT TRUE GRANTED BY postgres;
GRANT readers TO postgres GRANTED BY postgres;
GRANT nobody_knows TO shop;
GRANT SET ON PARAMETER "work_mem" TO shop;
CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';
\unrestrict 2k3j4hkj23h4
'''


def test_statements_end_at_semicolons_outside_of_texts() -> None:
    found = list(split_statements(GLOBALS))
    assert found[0] == "SET default_transaction_read_only = off"
    assert "COMMENT ON ROLE shop IS 'two\nlines; -- and more'" in found
    assert r"""ALTER ROLE shop SET "search_path" TO 'a', E'b\';c'""" in found
    assert not [text for text in found if text.startswith(("\\", "--"))]
    assert found[-1].startswith("CREATE TABLESPACE fast")


def test_only_missing_roles_are_made_with_what_belongs_to_them() -> None:
    found = missing_roles(GLOBALS, {"postgres", "readers"})
    assert found.new == ("shop", 'Odd "one"')
    assert found.statements == (
        "CREATE ROLE shop",
        "ALTER ROLE shop WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:it''s;x'",
        "COMMENT ON ROLE shop IS 'two\nlines; -- and more'",
        'CREATE ROLE "Odd ""one"""',
        'ALTER ROLE "Odd ""one""" WITH NOSUPERUSER NOLOGIN',
        r"""ALTER ROLE shop SET "search_path" TO 'a', E'b\';c'""",
        "GRANT readers TO shop WITH INHERIT TRUE",
        "GRANT pg_monitor TO shop WITH INHERIT TRUE GRANTED BY postgres",
        'GRANT SET ON PARAMETER "work_mem" TO shop',
    )
    assert found.tablespaces == ("fast",)


def test_nothing_is_said_about_roles_that_exist() -> None:
    everybody = {"postgres", "shop", "readers", 'Odd "one"'}
    assert missing_roles(GLOBALS, everybody).statements == ()


def test_passwords_are_known_as_secrets_and_not_shown() -> None:
    found = missing_roles(GLOBALS, {"postgres"})
    assert found.secrets == ("SCRAM-SHA-256$4096:it's;x",)
    assert "SCRAM" not in repr(found)


def properties(**changes: Any) -> dict[str, Any]:
    return {**NO_PROPERTIES, **changes}


def test_a_database_of_which_nothing_is_known_lets_everybody_connect() -> None:
    statements, skipped = apply_statements("shop", NO_PROPERTIES, {"shop"})
    assert statements == [
        'GRANT CONNECT ON DATABASE "shop" TO PUBLIC',
        'GRANT TEMPORARY ON DATABASE "shop" TO PUBLIC',
    ]
    assert skipped == []


def test_rights_settings_limit_and_comment() -> None:
    given = properties(
        owner="shop",
        connection_limit=50,
        acl=[["shop", "CONNECT", True], ["gone", "CONNECT", False]],
        settings=[[None, "work_mem=8MB"], ["shop", "my.option=it's=this"]],
        comment="the shop's",
    )
    statements, skipped = apply_statements('sh"op', given, {"shop"})
    assert statements == [
        'ALTER DATABASE "sh""op" OWNER TO "shop"',
        'ALTER DATABASE "sh""op" CONNECTION LIMIT 50',
        'GRANT CONNECT ON DATABASE "sh""op" TO "shop" WITH GRANT OPTION',
        """ALTER DATABASE "sh""op" SET "work_mem" TO '8MB'""",
        """ALTER ROLE "shop" IN DATABASE "sh""op" SET "my"."option" TO 'it''s=this'""",
        """COMMENT ON DATABASE "sh""op" IS 'the shop''s'""",
    ]
    assert [text.split(" does not")[0] for text in skipped] == ["role gone"]


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ('"$user", public, "We""ird"', "'$user', 'public', 'We\"ird'"),
        ("public", "'public'"),
        ('"", public', "'', 'public'"),
        ("", "''"),
    ],
)
def test_a_list_stays_a_list(stored: str, written: str) -> None:
    statements, _ = apply_statements("shop", properties(settings=[[None, f"search_path={stored}"]]), set())
    assert statements[-1] == f'ALTER DATABASE "shop" SET "search_path" TO {written}'


def test_plain_is_what_nobody_changed() -> None:
    assert is_plain(properties(owner="shop"))
    assert not is_plain(properties(acl=[]))
    assert not is_plain(properties(comment="x"))
