"""What stands in this process and its database right now, for Prometheus."""

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from infra.desk import Desk
from infra.replicas import Replicated
from infra.waiting import Waiting, Watched
from planner.engine import Engine
from web.health import Known


class _Standing(Collector):
    def __init__(self, desk: Desk, engine: Engine, waiting: Waiting | None, *, files: bool | None) -> None:
        self._desk, self._engine, self._waiting, self._files = desk, engine, waiting, files

    def collect(self) -> Iterable[Metric]:
        desk, engine = self._desk, self._engine
        yield GaugeMetricFamily("deskwire_plans", "Plans that are kept.", len(engine.plans.kept))
        yield CounterMetricFamily("deskwire_plan_misses", "Plans that had to be made.", engine.plan_misses)
        replicas = desk.reads.replicas if isinstance(desk.reads, Replicated) else []
        pools = {"read": desk.reads.slots, "write": desk.writes.slots}
        pools |= {f"replica {number}": replica.slots for number, replica in enumerate(replicas, start=1)}
        size = GaugeMetricFamily("deskwire_pool_size", "Most connections at once.", labels=["pool"])
        in_use = GaugeMetricFamily("deskwire_pool_in_use", "Connections that are in use.", labels=["pool"])
        waits = GaugeMetricFamily("deskwire_pool_waiting", "Who waits for a connection.", labels=["pool"])
        for name, slots in pools.items():
            size.add_metric([name], slots.size)
            in_use.add_metric([name], slots.in_use)
            waits.add_metric([name], slots.waiting)
        yield from (size, in_use, waits)
        if isinstance(desk.reads, Replicated):
            yield from _of_replicas(desk.reads)
        yield GaugeMetricFamily(
            "deskwire_hub_connected", "Whether messages of other processes arrive.", int(desk.hub.connected)
        )
        reconnects = max(0, desk.hub.connections - 1)
        yield CounterMetricFamily("deskwire_hub_reconnects", "Connections to Redis after a broken one.", reconnects)
        if self._files is not None:  # nobody has looked yet
            yield GaugeMetricFamily("deskwire_files_up", "Whether the store of files takes one.", int(self._files))
        yield GaugeMetricFamily("deskwire_database_up", "Whether PostgreSQL answers.", int(self._waiting is not None))
        if self._waiting is not None:  # what nobody knows is left out, not told as nothing
            yield from _of_database(self._waiting)


def _of_replicas(reads: Replicated) -> Iterator[Metric]:
    answered = CounterMetricFamily("deskwire_reads", "Statements that were answered.", labels=["server"])
    well = GaugeMetricFamily("deskwire_replica_used", "Whether it is there and not behind.", labels=["server"])
    answered.add_metric(["primary"], reads.answered)
    for number, replica in enumerate(reads.replicas, start=1):
        answered.add_metric([f"replica {number}"], replica.answered)
        well.add_metric([f"replica {number}"], int(replica.well))
    yield from (answered, well)


def _of_database(waiting: Waiting) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("deskwire_jobs", "Jobs that are not done, at most 100,000.", labels=["state"])
    for state in ("queued", "running", "dead"):
        jobs.add_metric([state], getattr(waiting, state))
    yield jobs
    yield GaugeMetricFamily(
        "deskwire_failing_jobs", "Queued jobs that have failed and are tried again, at most 100,000.", waiting.failing
    )
    yield GaugeMetricFamily(
        "deskwire_oldest_due_job_seconds", "How long the job that is owed most waits.", waiting.oldest_due_seconds
    )
    yield GaugeMetricFamily(
        "deskwire_dead_mail",
        "Mail that was given up and waits for somebody to decide, at most 100,000.",
        waiting.dead_mail,
    )
    yield GaugeMetricFamily("deskwire_unsent_mail", "Mail to be sent, at most 100,000.", waiting.unsent_mail)
    yield GaugeMetricFamily(
        "deskwire_oldest_unsent_mail_seconds",
        "How long the mail that is owed most waits.",
        waiting.oldest_unsent_mail_seconds,
    )
    yield GaugeMetricFamily(
        "deskwire_waiting_mail",
        "Mail that came in, fits no ticket and waits for somebody to decide, at most 100,000.",
        waiting.waiting_mail,
    )
    yield GaugeMetricFamily(
        "deskwire_oldest_waiting_mail_seconds",
        "How long the mail waits that came in first.",
        waiting.oldest_waiting_mail_seconds,
    )


class _OfProcess:
    """What a registry collects, with the process's number on each value.

    Of several processes at one address any may answer. Without it they would be taken for one, whose counters begin
    anew each time.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry, self._label = registry, {"process": str(os.getpid())}

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [each._replace(labels={**each.labels, **self._label}) for each in metric.samples]
            yield metric


def metrics(desk: Desk, engine: Engine, files: Known) -> Callable[[Request], Awaitable[Response]]:
    """What this process has counted, and what stands now. It answers without a database, too.

    `files`: whether their store is well.
    """
    watched = Watched(desk.reads)

    async def answer(_request: Request) -> Response:
        standing = CollectorRegistry()
        standing.register(_Standing(desk, engine, await watched.now(), files=await files.well()))
        registries: list[Any] = [REGISTRY, standing]
        if desk.settings.worker_count > 1:
            registries = [_OfProcess(each) for each in registries]
        return Response(b"".join(map(generate_latest, registries)), media_type=CONTENT_TYPE_LATEST)

    return answer
