"""Traces: what a request or a job waits for, as spans of OpenTelemetry; none of them holds what anybody wrote.

Nothing is traced unless `exporting` finds an endpoint in the settings. Until then all here does nothing and costs next
to it, and statements are not looked at at all: connections are of another class once they are.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from infra.settings import Settings

NOWHERE: Final = Context()
NOTHING: Final = nullcontext(INVALID_SPAN)
Attributes = Mapping[str, str | int]

_w3c: Final = TraceContextTextMapPropagator()
_tracer: Tracer | None = None  # while this process traces
SAMPLED: Final = "-01"  # how a `traceparent` ends whose trace is recorded
# What goes on: usually one span, several while a statement is asked for several requests at once.
_current: ContextVar[tuple[Span, ...]] = ContextVar("spans", default=())


class _Among:
    """Makes these spans what goes on in its block; they last longer."""

    __slots__ = ("_spans", "_token")

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self._spans = spans

    def __enter__(self) -> Span:
        self._token = _current.set(self._spans)
        return INVALID_SPAN

    def __exit__(self, _kind: object, _error: BaseException | None, _traceback: object) -> None:
        _current.reset(self._token)


class _Lasting(_Among):
    """Spans that last as long as its block."""

    __slots__ = ()

    def __enter__(self) -> Span:
        super().__enter__()
        return self._spans[0]

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        for span in self._spans:
            if error is not None:
                _mark(span, error)
            span.end()


def is_on() -> bool:
    """Whether this process traces."""
    return _tracer is not None


def is_recording() -> bool:
    """Whether what goes on is traced."""
    return any(span.is_recording() for span in current())


def begun(
    name: str, kind: SpanKind, attributes: Attributes, *, parent: str | None, at: int | None = None
) -> AbstractContextManager[Span]:
    """A span for something that begins in this process. `parent`: the `traceparent` that it has come with, if any; no
    `tracestate`, which may hold any text. `at`: when it has begun, in nanoseconds; default: now.
    """
    if _tracer is None:
        return NOTHING
    context = _w3c.extract({"traceparent": parent}, NOWHERE) if parent else NOWHERE
    return _Lasting((_tracer.start_span(name, context, kind, attributes, start_time=at),))


def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> AbstractContextManager[Span]:
    """A span for a part of what goes on; of nothing, or of what is over or not sampled, there is none."""
    if _tracer is None:
        return NOTHING
    spans = tuple(
        [
            _tracer.start_span(name, set_span_in_context(parent, NOWHERE), kind, attributes)
            for parent in _current.get()
            if parent.is_recording()
        ]
    )
    return _Lasting(spans) if spans else NOTHING


def current() -> tuple[Span, ...]:
    """What goes on."""
    return () if _tracer is None else _current.get()


def among(spans: Iterable[tuple[Span, ...]]) -> AbstractContextManager[Span]:
    """In the block all that went on for each of several goes on, and its parts stand in the trace of each."""
    return NOTHING if _tracer is None else _Among(tuple([span for each in spans for span in each]))


def carried() -> str | None:
    """The `traceparent` of what goes on, for what it leads to elsewhere."""
    if _tracer is None or not (spans := _current.get()):
        return None
    context = spans[0].get_span_context()
    return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{context.trace_flags & 0x01:02x}"


def is_sampled(traceparent: str | None) -> bool:
    """Whether what it leads to is traced."""
    return traceparent is not None and traceparent.endswith(SAMPLED)


def ids() -> dict[str, str]:
    """By what a log's entry and what goes on find each other."""
    if _tracer is None or not (spans := _current.get()):
        return {}
    context = spans[0].get_span_context()
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


def failed(error: BaseException, error_id: str | None = None) -> None:
    """Something went wrong in what goes on, and is not raised out of it. `error_id`: under which it was reported."""
    for span in current():
        _mark(span, error)
        if error_id is not None:
            span.set_attribute("deskwire.error_id", error_id)


def _mark(span: Span, error: BaseException) -> None:
    """Tell of an error by its kind alone: its text may quote anybody."""
    if not span.is_recording():
        return
    span.set_attribute("error.type", type(error).__name__)
    if state := getattr(error, "sqlstate", None):
        span.set_attribute("db.response.status_code", str(state))
    if isinstance(error, Exception):  # who is cancelled has done nothing wrong
        span.set_status(StatusCode.ERROR)


@asynccontextmanager
async def exporting(settings: Settings, process: str) -> AsyncIterator[None]:
    """In the block this process traces, if there is an endpoint; at its end what is left is sent, within seconds."""
    global _tracer  # noqa: PLW0603 # as all of a process log to one place
    if settings.traces_endpoint is None:
        yield
        return
    from infra import collector  # which takes a fifth of a second, and memory

    before, provider = _tracer, collector.provider(settings, process)
    _tracer = provider.get_tracer("deskwire")
    try:
        yield
    finally:
        _tracer = before
        await collector.close(provider)
