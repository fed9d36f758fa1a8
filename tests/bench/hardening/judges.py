# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Lynis, OpenSCAP and ssh-audit say of a host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.paths import ROOT

SSH_AUDIT = "ssh-audit==3.3.0"
TOOLS = ROOT / ".cache" / "ssh-audit"
PROFILES = {
    "CIS level 1": "cis_level1_server",
    "CIS level 2": "cis_level2_server",
    "ANSSI BP-028 enhanced": "anssi_bp28_enhanced",
}
EVALUATIONS = 3
RULE = re.compile(r"^xccdf_org\.ssgproject\.content_rule_(\w[\w.-]*):(\w+)$", re.MULTILINE)

# The newest rules and Lynis come from Debian unstable, and nothing else from there; the mirror is the host's own.
INSTALL = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
mirror=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
echo "deb [check-valid-until=no] $mirror unstable main" > /etc/apt/sources.list.d/judges.list
cat > /etc/apt/preferences.d/judges <<END
Package: *
Pin: release a=unstable
Pin-Priority: -10

Package: lynis ssg-base ssg-debian
Pin: release a=unstable
Pin-Priority: 990
END
apt-get update -qq
apt-get install -y -qq --no-install-recommends lynis openscap-scanner ssg-debian linux-base >/dev/null 2>&1
echo installed
"""

Shell = Callable[[str], str]


@dataclass(frozen=True)
class Verdict:
    """Lynis' index and findings, OpenSCAP's results per profile and rule, ssh-audit's failures and warnings."""

    index: int
    findings: tuple[str, ...]
    failures: int
    warnings: int
    rules: dict[str, dict[str, str]] = field(default_factory=dict)

    def passed(self, profile: str) -> set[str]:
        """The rules of a profile that hold."""
        return {rule for rule, result in self.rules[profile].items() if result == "pass"}

    def failed(self, profile: str) -> set[str]:
        """The rules of a profile that don't hold."""
        return {rule for rule, result in self.rules[profile].items() if result in {"fail", "error"}}

    def percent(self, profile: str) -> float:
        """Rules that hold, of those that apply, in percent."""
        applicable = len(self.passed(profile)) + len(self.failed(profile))
        return 100 * len(self.passed(profile)) / applicable if applicable else 0.0


@dataclass(frozen=True)
class Judged:
    """A host: how to run a command there as root, where its SSH server is, how many seconds OpenSCAP may take there."""

    shell: Shell
    address: str
    port: int
    patience: int


def install(shell: Shell) -> None:
    """Bring the judges to the host. Raises SystemExit when they can't be had."""
    prepare(shell, INSTALL, "installed")


def prepare(shell: Shell, script: str, word: str) -> None:
    """Run a script that ends with ``word``. Raises SystemExit when it does not."""
    said = shell(script)
    if not said.strip().endswith(word):
        raise SystemExit(f"the judged host could not be prepared: {said[-2000:]}")


def judge(host: Judged) -> Verdict:
    """Ask all judges about a host. Raises SystemExit when one says nothing."""
    shell = host.shell
    shell("lynis audit system --quick --quiet --no-colors >/dev/null 2>&1")
    report = shell("cat /var/log/lynis-report.dat")
    index = re.search(r"^hardening_index=(\d+)$", report, re.MULTILINE)
    findings = re.findall(r"^(?:suggestion|warning)\[\]=([A-Z]+-\d+)", report, re.MULTILINE)
    if index is None:
        raise SystemExit("lynis wrote no index")
    rules = {name: evaluate(host, profile) for name, profile in PROFILES.items()}
    return Verdict(int(index[1]), tuple(dict.fromkeys(findings)), *ssh_notes(host), rules)


def evaluate(host: Judged, profile: str) -> dict[str, str]:
    """OpenSCAP's result of every rule of a profile. On a busy machine its threads sometimes wait for each other."""
    said = ""
    for _attempt in range(EVALUATIONS):
        said = host.shell(
            f". /etc/os-release; env --unset=container timeout {host.patience} oscap xccdf eval --progress"
            f" --profile xccdf_org.ssgproject.content_profile_{profile}"
            " /usr/share/xml/scap/ssg/content/ssg-debian$VERSION_ID-ds.xml 2>/dev/null; echo ended with $?"
        )
        found = dict(RULE.findall(said))
        if found and re.search(r"^ended with [02]$", said, re.MULTILINE):  # 2: some rules don't hold
            return found
    raise SystemExit(f"OpenSCAP did not come to its end with {profile}: {said[-2000:]}")


def ssh_notes(host: Judged) -> tuple[int, int]:
    """The failures and warnings of ssh-audit."""
    command = [str(ssh_audit()), "--json", "--skip-rate-test", "--port", str(host.port), host.address]
    # A finding is told by the exit code too; the report is on stdout all the same.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    notes = [
        note
        for kind in ("kex", "key", "enc", "mac")
        for algorithm in json.loads(done.stdout)[kind]
        for note in algorithm["notes"]
    ]
    return sum("fail" in note for note in notes), sum("warn" in note for note in notes)


def ssh_audit() -> Path:
    """The path of the pinned ssh-audit."""
    program = TOOLS / "bin" / "ssh-audit"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(TOOLS)], check=True)
        subprocess.run([str(TOOLS / "bin" / "pip"), "install", "--quiet", SSH_AUDIT], check=True)
    return program
