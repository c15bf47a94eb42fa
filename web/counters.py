"""What is counted, for Prometheus."""

from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

SECONDS = Histogram(
    "deskwire_operation_seconds",
    "How long operations took.",
    ["kind"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
FAILURES = Counter("deskwire_operation_failures_total", "Operations that raised what nobody expected.", ["kind"])
REFUSED = Counter("deskwire_refused_documents_total", "Requests for an operation that can't be run.")
SOCKETS = Gauge("deskwire_sockets", "Open sockets.")
SUBSCRIPTIONS = Gauge("deskwire_subscriptions", "Running subscriptions.")
# Looked up once: labels() costs as much as a small read.
_SECONDS = {kind: SECONDS.labels(kind) for kind in ("query", "mutation")}
_FAILURES = {kind: FAILURES.labels(kind) for kind in _SECONDS}


class Timed:
    """Observes how long its block takes, and whether it raises. A class, since a generator costs twice as much."""

    __slots__ = ("_kind", "_started")

    def __init__(self, kind: str) -> None:
        """`kind`: of operation."""
        self._kind = kind

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _SECONDS[self._kind].observe(perf_counter() - self._started)
        if kind is not None and issubclass(kind, Exception):
            _FAILURES[self._kind].inc()
