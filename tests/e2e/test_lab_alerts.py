# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitoring on the lab: rules and panels have their metrics; faults reach people once, with what to do, and end."""

from __future__ import annotations

import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e import operator as op
from tests.tools.dashboards import metrics, names, queries

# Metrics that the lab has no source for, each with the reason.
CONDITIONAL = {
    "keelson_secret_": "the lab rotates no secret by itself",
    "keelson_restore_test_": "there only after the first restore test",
    "keelson_backup_verified_": "there only after the first verification",
}
SHORT = {
    "ReplicasMissing": {"for": "0s"},
    "DiskFull": {"for": "0s"},
    "DatabaseConnectionsHigh": {"for": "0s", "threshold": 40},
    "BackupTooOld": {"for": "0s"},
    "HttpErrorsCritical": {"for": "0s", "window": "20s"},
    "CertificateExpiring": {"for": "0s"},
}
REPLICAS = 4  # two on each of two hosts
CRITICAL = {"DiskFull", "BackupTooOld", "HttpErrorsCritical"}
CATCHER = "http://mail.keelson.test:8025/webhook"
TEXTFILE = "/var/lib/prometheus/node-exporter/keelson_backup_shop.prom"
HOLD = """
import asyncio, asyncpg, os
async def main():
    url = open(os.environ["DATABASE_URL_FILE"]).read().strip()
    held = [await asyncpg.connect(url) for _ in range(45)]
    for _ in range(300):
        if os.path.exists("/tmp/release"):
            break
        await asyncio.sleep(1)
asyncio.run(main())
"""


@dataclass
class Fault:
    """Something that goes wrong, and how it is mended."""

    alert: str
    begin: Callable[[], object]
    end: Callable[[], object]
    began: bool = field(default=False)


@pytest.fixture(scope="module", autouse=True)
def impatient_monitoring(provisioned: None) -> Iterator[None]:
    """Thresholds and durations of a test, and stand-ins for Slack and PagerDuty; the lab's own again afterwards."""
    # After a rollout, a port that was left counts as up until Prometheus asks it again.
    op.eventually(lambda: _asked('up{job="shop"} == 1'), lambda up: len(up) == REPLICAS, within=120)
    variables = {
        "prometheus_scrape_interval": "3s",
        "prometheus_group_wait": "1s",
        "prometheus_group_interval": "3s",
        "prometheus_alerts": SHORT,
        "prometheus_jobs": {"shop": {"application": True, "min_up": REPLICAS}},
        "prometheus_slack_url": f"{CATCHER}/slack",
        "prometheus_pagerduty_key": "0123456789abcdef0123456789abcdef",
        "prometheus_pagerduty_url": f"{CATCHER}/pagerduty",
        "prometheus_grafana_url": "https://grafana.keelson.test",
        # The disk that the test fills is in memory, so it can be small.
        "prometheus_ignored_file_systems": ["ext.*", "xfs", "btrfs", "overlay", "ramfs"],
        "exporters_blackbox_modules": {
            "any_certificate": {"prober": "tcp", "tcp": {"tls": True, "tls_config": {"insecure_skip_verify": True}}}
        },
        "prometheus_probes": [
            {"module": "https", "targets": ["https://shop.keelson.test/health"]},
            {"module": "any_certificate", "targets": [f"{op.ADDRESSES['mon1']}:8449"]},
        ],
    }
    _certificate(days=300)
    # Its figures are there only after the first drill.
    op.ssh("db1", "sudo systemctl start keelson-pitr-drill-data.service")
    run = _observe("--extra-vars", json.dumps(variables))
    assert run.rc == 0, run.tail
    yield
    op.ssh("mon1", "sudo systemctl stop certificate-for-tests", check=False)
    _observe()


def test_every_metric_of_a_rule_or_panel_exists() -> None:
    rules = [rule for group in op.prometheus("rules")["groups"] for rule in group["rules"]]
    needed = set().union(
        *(metrics(rule["query"]) for rule in rules), *(metrics(query.expr) for query in queries(names()))
    )

    def missing() -> set[str]:
        there = set(op.prometheus("label/__name__/values"))
        return {name for name in needed - there if not name.startswith(tuple(CONDITIONAL))}

    with op.traffic("/api/products"):
        op.eventually(missing, lambda found: not found, within=150)


def test_every_panel_has_something_to_show() -> None:
    asked = [
        query
        for query in queries(names())
        if not any(name.startswith(tuple(CONDITIONAL)) for name in metrics(query.expr))
    ]
    assert len(asked) > 90

    def empty() -> list[str]:
        results = {query: _asked(query.expr) for query in asked}
        return [f"{query.dashboard}: {query.panel}" for query, result in results.items() if not result]

    with op.traffic("/api/products"):
        op.eventually(empty, lambda found: not found, within=150)


def test_faults_are_told_once_with_what_to_do_and_their_end_too() -> None:
    faults = _faults()
    for kind in ("messages", "webhooks"):
        inbox = http.client.HTTPConnection("127.0.0.1", op.PORTS.mail, timeout=15)
        inbox.request("DELETE", f"/{kind}")
        assert inbox.getresponse().status == http.client.OK
    with op.traffic("/api/products"):
        try:
            for fault in faults:
                fault.begin()
                fault.began = True
            for fault in faults:
                op.eventually(
                    lambda alert=fault.alert: _lacking(alert, "firing"), lambda lacking: not lacking, within=240
                )
        finally:
            for fault in faults:
                if fault.began:
                    fault.end()
        for fault in faults:
            op.eventually(
                lambda alert=fault.alert: _lacking(alert, "resolved"), lambda lacking: not lacking, within=150
            )
    told = {
        fault.alert: {channel: len(_told(fault.alert, "firing", channel)) for channel in _channels(fault.alert)}
        for fault in faults
    }
    assert told == {alert: dict.fromkeys(channels, 1) for alert, channels in told.items()}


def _faults() -> list[Fault]:
    first, second = op.ssh("app1", "sudo docker ps -q --filter label=com.docker.compose.service=backend").split()[:2]
    small = "/srv/small"  # the exporter leaves out /mnt and /media
    return [
        Fault(
            "DiskFull",
            lambda: op.ssh(
                "app1",
                f"sudo mkdir -p {small} && sudo mount -t tmpfs -o size=8m tmpfs {small}"
                f" && sudo dd if=/dev/zero of={small}/fill bs=1k count=7900"
                # A container's mounts do not reach units that run already; those of a real host do.
                " && sudo systemctl restart prometheus-node-exporter",
            ),
            lambda: op.ssh("app1", f"sudo rm {small}/fill"),
        ),
        Fault(
            "BackupTooOld",
            lambda: op.ssh(
                "db1",
                f"sudo cp -p {TEXTFILE} /root/kept.prom"
                f" && sudo sed -i -E 's/^(keelson_backup_last_success[^ ]*) .*/\\1 1000000/' {TEXTFILE}",
            ),
            lambda: op.ssh("db1", f"sudo cp -p /root/kept.prom {TEXTFILE}"),
        ),
        Fault("HttpErrorsCritical", lambda: _misbehave(1), lambda: _misbehave(0)),
        Fault("CertificateExpiring", lambda: _certificate(days=1), lambda: _certificate(days=300)),
        Fault(
            "DatabaseConnectionsHigh",
            lambda: op.ssh(
                "app1",
                f"sudo docker exec {first} rm -f /tmp/release && sudo docker exec -d {first} python3 -c '{HOLD}'",
            ),
            lambda: op.ssh("app1", f"sudo docker exec {first} touch /tmp/release"),
        ),
        Fault(
            "ReplicasMissing",
            lambda: op.ssh("app1", f"sudo docker stop {second}"),
            lambda: op.ssh("app1", f"sudo docker start {second}"),
        ),
    ]


def _misbehave(rate: float) -> None:
    """Every replica that answers fails this part of its requests."""
    token = json.loads((op.STATE / "secrets.json").read_text(encoding="utf-8"))["faults_token"]
    program = f"""
import urllib.request
for host in {[op.ADDRESSES["app1"], op.ADDRESSES["app2"]]}:
    for port in range(8001, 8005):
        request = urllib.request.Request(f"http://{{host}}:{{port}}/admin/faults", method="PUT",
            data=b\'{{"error_rate": {rate}}}\', headers={{"X-Faults-Token": "{token}",
            "Content-Type": "application/json"}})
        try:
            urllib.request.urlopen(request, timeout=5)
        except OSError as error:
            pass
"""
    op.ssh("mon1", f"python3 - <<'END'\n{program}\nEND")


def _certificate(days: int) -> None:
    """A server on mon1 that shows a certificate which ends in so many days."""
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days {days} -subj /CN=soon"
    make += " -keyout /run/soon.key -out /run/soon.pem"
    serve = "openssl s_server -quiet -accept 8449 -key /run/soon.key -cert /run/soon.pem"
    op.ssh(
        "mon1",
        f"sudo systemctl stop certificate-for-tests 2>/dev/null; sudo {make} 2>/dev/null"
        f" && sudo systemd-run --quiet --collect --unit=certificate-for-tests {serve}",
    )


def _channels(alert: str) -> list[str]:
    return ["mail", "slack", "webhook", *(["pagerduty"] if alert in CRITICAL else [])]


def _lacking(alert: str, status: str) -> list[str]:
    """The channels that have not yet told of it, and what Prometheus makes of it."""
    silent = [f"{alert} by {channel}" for channel in _channels(alert) if not _told(alert, status, channel)]
    if silent:
        silent += [str(found["metric"]) for query in ("ALERTS", 'up{job="shop"} == 1') for found in _asked(query)]
    return silent


def _asked(query: str) -> list[dict[str, Any]]:
    """What Prometheus answers to a query: series with their values."""
    series: list[dict[str, Any]] = op.prometheus("query?query=" + urllib.parse.quote(query))["result"]
    return series


def _told(alert: str, status: str, channel: str) -> list[str]:
    """The notifications by a channel, each with its runbook and its dashboard."""
    found = [text for title, text in _caught(channel) if alert in title and status in title.lower()]
    if status == "firing":
        assert [text for text in found if f"docs/runbooks/{alert}.md" not in text or "/d/keelson-" not in text] == []
    return found


def _caught(channel: str) -> Iterator[tuple[str, str]]:
    """Title and whole text of everything that arrived by a channel."""
    if channel == "mail":
        yield from ((message["subject"], message["body"]) for message in _inbox("messages"))
        return
    path = {"webhook": "/webhook/alerts", "slack": "/webhook/slack", "pagerduty": "/webhook/pagerduty"}[channel]
    for caught in _inbox("webhooks"):
        if caught["path"] == path:
            body = caught["body"]
            if channel == "slack":
                title = body["attachments"][0]["title"]
            elif channel == "pagerduty":
                title = f"{body['event_action']}: {body['payload']['summary']}"
            else:
                title = f"{body['status']} {body['commonLabels'].get('alertname')}"
            yield title, json.dumps(body)


def _inbox(kind: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{op.PORTS.mail}/{kind}", timeout=15) as answer:
        entries: list[dict[str, Any]] = json.load(answer)
    return entries


def _observe(*arguments: str) -> op.Run:
    return op.playbook("site.yml", "--tags", "observe", "--limit", "mon1,db1", *arguments)
