"""What is counted, for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

SECONDS = Histogram(
    "deskwire_operation_seconds",
    "How long operations took.",
    ["kind"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
FAILURES = Counter("deskwire_operation_failures_total", "Operations that raised what nobody expected.", ["kind"])
SOCKETS = Gauge("deskwire_sockets", "Open sockets.")
SUBSCRIPTIONS = Gauge("deskwire_subscriptions", "Running subscriptions.")
# Looked up once: labels() costs as much as a small read.
_SECONDS = {kind: SECONDS.labels(kind) for kind in ("query", "mutation", "subscription", "unknown")}
_FAILURES = {kind: FAILURES.labels(kind) for kind in _SECONDS}


@contextmanager
def timed(kind: str) -> Iterator[None]:
    """Observe how long the block takes, and whether it raises."""
    started = perf_counter()
    try:
        yield
    except Exception:
        _FAILURES[kind].inc()
        raise
    finally:
        _SECONDS[kind].observe(perf_counter() - started)


async def metrics(_request: Request) -> Response:
    """What was counted so far in this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
