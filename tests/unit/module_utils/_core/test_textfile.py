# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics in the form that the node exporter reads."""

from __future__ import annotations

import stat
from pathlib import Path

from ansible_collections.keelson.ops.plugins.module_utils._core.textfile import Sample, render, write_textfile


def test_samples_are_grouped_below_one_header_each() -> None:
    text = render(
        [
            Sample("b", 2, "Second."),
            Sample("a", 1.5, "First.", {"job": "y"}),
            Sample("a", 1, "First.", {"job": "x"}),
        ]
    )
    assert text == (
        '# HELP a First.\n# TYPE a gauge\na{job="x"} 1\na{job="y"} 1.5\n# HELP b Second.\n# TYPE b gauge\nb 2\n'
    )


def test_labels_are_escaped() -> None:
    text = render([Sample("a", 1, "Help.", {"path": 'C:\\x "y"\nz'})])
    assert text.splitlines()[-1] == r'a{path="C:\\x \"y\"\nz"} 1'


def test_large_numbers_keep_their_digits() -> None:
    assert float(render([Sample("t", 1767322445.123, "Time.")]).split()[-1]) == 1767322445.123


def test_the_file_can_be_read_by_the_exporter(tmp_path: Path) -> None:
    path = tmp_path / "keelson.prom"
    write_textfile(path, [Sample("a", 1, "Help.")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [found.name for found in tmp_path.iterdir()] == ["keelson.prom"]
