# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What judges say of a fresh host before and after the role hardening, by profile, and what the role costs.

    python -m tests.bench.hardening [--release trixie|bookworm] [--machine] [--states bare baseline strict]

The judges are Lynis and OpenSCAP with the rules of the SCAP Security Guide (both as in Debian unstable) and ssh-audit
(pinned, installed into .cache/ssh-audit). With the profile strict the host sends its journal to a second one.
The host is a container of the lab: partitions, boot loader, auditd and the like belong to the machine that runs it, and
count against the host. With --machine it is a virtual machine that has them, and is booted anew before it is judged:
an hour per state, and more beside other work, where its processor has to be emulated.
The figures of the last recorded runs are in tests/bench/hardening/results.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence

from tests.bench.hardening import log_host
from tests.bench.hardening.hosts import JudgedHost, container, virtual_machine
from tests.bench.hardening.judges import PROFILES, Verdict, install, judge
from tests.bench.hardening.reasons import BENEATH, FINDINGS, RULES, Reasons, by_reason, of_machine
from tests.bench.hardening.references import HEADER, REFERENCES
from tests.tools.bench_hosts import Cost, circumstances

BARE, BASELINE, STRICT = STATES = ["bare", "baseline", "strict"]
Verdicts = dict[str, Verdict]
Costs = dict[str, list[Cost]]


def main() -> int:
    """Print the tables; 1 when a run of the role failed or a second run changed something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    parser.add_argument("--machine", action="store_true", help="judge a virtual machine instead of a container")
    parser.add_argument("--states", nargs="+", choices=STATES, default=STATES, help="those to judge, in this order")
    options = parser.parse_args()
    with (virtual_machine if options.machine else container)(options.release) as host:
        verdicts, costs = judge_states(host, options.states)
    print(table(verdicts, costs, options.release, options.machine))
    return 1 if any(runs[-1].changed for runs in costs.values()) else 0


def judge_states(host: JudgedHost, states: Sequence[str]) -> tuple[Verdicts, Costs]:
    """Judge a fresh host as it is and with profiles of the role, one after the other."""
    install(host.judged.shell)
    verdicts: Verdicts = {}
    costs: Costs = {}
    for state in states:
        if state != BARE:
            host.hosts.wait_for_login(host.name)  # the SSH server shuts a judge out for a while, and us with it
            options = {"hardening_profile": state, **(log_host.OPTIONS if state == STRICT else {})}
            costs[state] = [host.hosts.run_role(host.name, "hardening", options) for _number in range(2)]
            host.boot()
        if state == STRICT:  # what its timer does in the background
            host.judged.shell("systemctl start keelson-aide-init.service")
        verdicts[state] = judge(host.judged)
    return verdicts, costs


def table(verdicts: Verdicts, costs: Costs, release: str, machine: bool) -> str:
    """The figures as Markdown, with the machine and the time."""
    columns = list(verdicts)
    judged = list(verdicts.values())
    findings, rules = (of_machine(FINDINGS), of_machine(RULES)) if machine else (FINDINGS, RULES)
    lines = [
        f"\n{circumstances()}, {'machine' if machine else 'host'} {release}",
        "",
        row(["judge", *columns]),
        "|---" * (len(columns) + 1) + "|",
        row(["Lynis, hardening index", *(verdict.index for verdict in judged)]),
        row(["Lynis, kinds of findings", *(len(verdict.findings) for verdict in judged)]),
        *(row([f"OpenSCAP, {name}", *scap_cells(name, judged)]) for name in PROFILES),
        *([] if machine else own_rows(judged)),
        row(["ssh-audit, failures", *(verdict.failures for verdict in judged)]),
        row(["ssh-audit, warnings", *(verdict.warnings for verdict in judged)]),
        "",
        row(HEADER),
        "|---" * len(HEADER) + "|",
        *(row(one.row()) for one in REFERENCES if one.release == release),
        "",
        "| run of the role | seconds | CPU s of the controller | tasks | changed |",
        "|---|---|---|---|---|",
        *(
            row([f"{profile} {number}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", cost.tasks, cost.changed])
            for profile, runs in costs.items()
            for number, cost in enumerate(runs, 1)
        ),
    ]
    last = list(verdicts)[-1]
    lines += left(f"findings of Lynis left with {last}", verdicts[last].findings, findings)
    lines += left(f"rules of OpenSCAP left with {last}", all_failed(verdicts[last]), rules)
    if {BASELINE, STRICT} <= verdicts.keys():
        more = sorted(all_failed(verdicts[BASELINE]) - all_failed(verdicts[STRICT]))
        lines += ["", f"baseline leaves besides: {', '.join([*added_findings(verdicts), *more])}"]
    return "\n".join(lines)


def all_failed(verdict: Verdict) -> set[str]:
    """The rules that don't hold, of all of OpenSCAP's profiles."""
    return set().union(*(verdict.failed(name) for name in PROFILES))


def added_findings(verdicts: Verdicts) -> list[str]:
    """The findings of Lynis that only the stricter profile settles."""
    return sorted(set(verdicts[BASELINE].findings) - set(verdicts[STRICT].findings))


def left(title: str, names: Collection[str], reasons: Reasons) -> list[str]:
    """A table of what is left, with why."""
    sorted_names = by_reason(names, reasons)
    rows = [row([f"{why} ({len(found)})", ", ".join(found)]) for why, found in sorted_names.items()]
    return ["", f"{title}: {len(names)}", "", row(["why", "which"]), "|---|---|", *rows]


def scap_cells(profile: str, verdicts: list[Verdict]) -> list[str]:
    """Per verdict, the share of applicable rules that hold, and how many of those that apply in any of the states."""
    ever = len(set().union(*(verdict.passed(profile) | verdict.failed(profile) for verdict in verdicts)))
    return [f"{verdict.percent(profile):.1f} % ({len(verdict.passed(profile))}/{ever})" for verdict in verdicts]


def own_rows(verdicts: list[Verdict]) -> list[str]:
    """The shares of OpenSCAP's rules that hold, without those that only the machine beneath a container could meet."""
    return [row([f"{name}, but for what the machine beneath has", *own_cells(name, verdicts)]) for name in PROFILES]


def own_cells(profile: str, verdicts: list[Verdict]) -> list[str]:
    """``scap_cells`` without the failed rules that only the machine beneath the container could meet."""
    cells = []
    for verdict in verdicts:
        passed, failed = len(verdict.passed(profile)), verdict.failed(profile)
        own = len(failed) - len(by_reason(failed, RULES).get(BENEATH, ()))
        cells.append(f"{100 * passed / (passed + own):.1f} %")
    return cells


def row(cells: list[object]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
