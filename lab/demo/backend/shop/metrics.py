# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's Prometheus metrics; names as the alert rules know them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """One registry for the process."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        labels = ("method", "route", "status")
        self.requests = Counter("http_requests_total", "Requests answered.", labels, registry=self.registry)
        self.duration = Histogram(
            "http_request_duration_seconds",
            "Time to answer a request.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.queries = Histogram(
            "database_query_duration_seconds",
            "Time that a request used a connection to the database, from its queries to the end of their transaction.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = self._gauge("http_requests_in_flight", "Requests being answered.")
        self.database_active = self._gauge("database_connections_active", "Connections of the pool in use.")
        self.database_max = self._gauge("database_connections_max", "Connections the pool may open.")
        self.cache_hit_rate = self._gauge("cache_hit_rate", "Part of the cache look-ups that hit, since the start.")
        self.cache = Counter("cache_requests_total", "Cache look-ups.", ("result",), registry=self.registry)
        self.webhooks = Counter("webhooks_total", "Webhook deliveries attempted.", ("result",), registry=self.registry)
        self.dead_letters = self._gauge("webhook_dead_letter_queue_size", "Webhooks given up.")
        self.expiring = self._gauge("subscriptions_expiring_24h", "Active subscriptions that end within 24 hours.")
        info = Gauge("application_info", "Always 1; the release as a label.", ("version",), registry=self.registry)
        info.labels(version).set(1)
        # A series that appears with its first event is invisible to rate() at that event.
        for result in ("success", "failure"):
            self.webhooks.labels(result)
        self._hits = self._lookups = 0

    def looked_up(self, *, hit: bool) -> None:
        """Count a cache look-up."""
        self._lookups += 1
        self._hits += hit
        self.cache.labels("hit" if hit else "miss").inc()
        self.cache_hit_rate.set(self._hits / self._lookups)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests.labels(method, route, str(status)).inc()
        self.duration.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """The exposition text."""
        return bytes(generate_latest(self.registry))

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)
