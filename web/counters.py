"""What is counted, for Prometheus."""

from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

from infra.logs import Fault

SECONDS = Histogram(
    "deskwire_operation_seconds",
    "How long operations took.",
    ["kind"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
FAULTS = Counter("deskwire_unexpected_errors_total", "Errors that nobody expected, each in the log under its id.")
REFUSED = Counter("deskwire_refused_documents_total", "Requests for an operation that can't be run.")
SOCKETS = Gauge("deskwire_sockets", "Open sockets.")
SUBSCRIPTIONS = Gauge("deskwire_subscriptions", "Running subscriptions.")
# Looked up once: labels() costs as much as a small read.
_SECONDS = {kind: SECONDS.labels(kind) for kind in ("query", "mutation")}


class Timed:
    """Observes how long its block takes. A class, since a generator costs twice as much."""

    __slots__ = ("_kind", "_started")

    def __init__(self, kind: str) -> None:
        """`kind`: of operation."""
        self._kind = kind

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *_: object) -> None:
        _SECONDS[self._kind].observe(perf_counter() - self._started)


def count(_fault: Fault) -> None:
    """An error was reported, whatever came of it: an operation answers with one beside its data, and raises nothing."""
    FAULTS.inc()
