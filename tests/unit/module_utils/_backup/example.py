# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest as a backup of a small database has it."""

from __future__ import annotations

from ansible_collections.keelson.ops.plugins.module_utils._backup.manifest import (
    Fingerprint,
    Manifest,
    StoredFile,
    TableContent,
)

MANIFEST = Manifest(
    id="20260302T023000Z-00c0ffee",
    database="shop",
    started_at="2026-03-02T02:30:00+00:00",
    finished_at="2026-03-02T02:31:00+00:00",
    seconds=60.0,
    dump=StoredFile("dump.zst", 10, "aa"),
    globals=StoredFile("globals.sql.zst", 5, "bb"),
    globals_have_passwords=True,
    fingerprint=Fingerprint((TableContent("public", "orders", 3, "full", "-5"),), {"relation r": 1}),
    server_version="17.6",
    tools={"pg_dump": "17.6"},
    extensions={"plpgsql": "1.0"},
    locale={"encoding": "UTF8", "collate": "C", "ctype": "C"},
    owner="postgres",
    wal_position="0/1",
    database_bytes=1000,
)
