# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout leaves for people and for monitoring: one audit line and a few metrics."""

from __future__ import annotations

import os
from pathlib import Path

from .._core.clock import Clock
from .._core.errors import OpsError
from .._core.jsonlines import JsonLines
from .._core.textfile import Sample, render, write_textfile
from .options import Options
from .releases import Release


def audit(options: Options, clock: Clock, *, status: str, seconds: float, **facts: object) -> None:
    """Append one line. Raises OpsError naming the option when the file cannot be written."""
    entry = {
        "at": clock.now().isoformat(),
        "project": options.project,
        "state": options.state,
        "version": options.version,
        "status": status,
        "seconds": round(seconds, 2),
        "user": os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid()),
        **facts,
    }
    try:
        JsonLines(options.audit_log).append(entry)
    except OSError as error:
        raise OpsError(f"audit_log: {options.audit_log} cannot be written: {error.strerror}") from None


def samples(project: str, release: Release | None, *, succeeded: bool, seconds: float) -> list[Sample]:
    """The metrics after a run: ``release`` is the one that runs now."""
    labels = {"project": project}
    found = [
        Sample("keelson_rollout_last_status", float(succeeded), "1 when the last rollout succeeded, else 0.", labels),
        Sample("keelson_rollout_duration_seconds", seconds, "Seconds that the last rollout took.", labels),
    ]
    if release is not None:
        found += [
            Sample("keelson_rollout_release", float(release.number), "Number of the release that runs.", labels),
            Sample(
                "keelson_rollout_last_success_timestamp_seconds",
                release.finished,
                "When the last successful rollout ended.",
                labels,
            ),
        ]
    return found


def publish(directory: Path | None, project: str, found: list[Sample]) -> None:
    """Write the metrics when they differ from what is there. Raises OpsError naming the option."""
    if directory is None:
        return
    path = directory / f"keelson_rollout_{project}.prom"
    try:
        if path.exists() and path.read_text(encoding="utf-8") == render(found):
            return
        directory.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_textfile(path, found)
    except OSError as error:
        raise OpsError(f"metrics_directory: {path} cannot be written: {error.strerror}") from None
