# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics for the node exporter's textfile collector.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .atomic import write_file


@dataclass(frozen=True, slots=True)
class Sample:
    """One gauge sample; ``help`` is one line, the same for every sample of a name."""

    name: str
    value: float
    help: str
    labels: Mapping[str, str] = field(default_factory=dict)


def render(samples: Iterable[Sample]) -> str:
    """The exposition text, grouped by metric name, in a stable order."""
    lines: list[str] = []
    previous = None
    for sample in sorted(samples, key=lambda s: (s.name, sorted(s.labels.items()))):
        if sample.name != previous:
            lines += [f"# HELP {sample.name} {sample.help}", f"# TYPE {sample.name} gauge"]
            previous = sample.name
        labels = ",".join(f'{key}="{_escape(value)}"' for key, value in sorted(sample.labels.items()))
        lines.append(
            f"{sample.name}{{{labels}}} {sample.value:.17g}" if labels else f"{sample.name} {sample.value:.17g}"
        )
    return "\n".join(lines) + "\n"


def write_textfile(path: str | Path, samples: Iterable[Sample]) -> None:
    """Replace the ``.prom`` file atomically, readable by the exporter. Raises OSError."""
    write_file(path, render(samples).encode(), mode=0o644)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
