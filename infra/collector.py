"""How spans get to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, whatever becomes of it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace import sampling as samplers
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

from infra.settings import InvalidSettingsError, Settings

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 2.0  # for what is not sent when the process ends
CHECK_SECONDS: Final = 3.0
SAMPLERS: Final[dict[str, Callable[[float], samplers.Sampler]]] = {
    "always_on": lambda _: samplers.ALWAYS_ON,
    "always_off": lambda _: samplers.ALWAYS_OFF,
    "traceidratio": samplers.TraceIdRatioBased,
    "parentbased_always_on": lambda _: samplers.DEFAULT_ON,
    "parentbased_always_off": lambda _: samplers.DEFAULT_OFF,
    "parentbased_traceidratio": samplers.ParentBasedTraceIdRatio,
}


class Collector(SpanExporter):
    """Hands spans over; says once that they are not taken, and why, and once that they are again.

    It's called by a thread of the SDK's. What is not taken within OTEL_EXPORTER_OTLP_TIMEOUT is lost, and so is what
    comes while more than OTEL_BSP_MAX_QUEUE_SIZE spans wait: nothing else waits for it.
    """

    def __init__(self, settings: Settings, seconds: float | None = None) -> None:
        """`seconds`: for one attempt; None: OTEL_EXPORTER_OTLP_TIMEOUT."""
        endpoint = settings.traces_endpoint or ""
        headers = parse_env_headers(settings.otel_exporter_otlp_traces_headers or "", liberal=True)
        self._exporter = OTLPSpanExporter(endpoint=endpoint, headers=headers, timeout=seconds)
        self._host, self._taken, self._lost = urlsplit(endpoint).hostname, True, 0
        self.said = "it can't be reached"  # why spans were not taken at last
        # It tells of each attempt, with addresses in which keys may stand.
        self._logger = logging.getLogger(OTLPSpanExporter.__module__)
        self._logger.setLevel(logging.WARNING)
        self._logger.addFilter(self._heard)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """OpenTelemetry's: hand spans over."""
        taken = self.takes(spans)
        self._lost += 0 if taken else len(spans)
        if taken and not self._taken:
            log.info("traces_taken_again", collector=self._host, lost=self._lost)
            self._lost = 0
        elif self._taken and not taken:
            log.warning("traces_not_taken", collector=self._host, error=self.said)
        self._taken = taken
        return SpanExportResult.SUCCESS if taken else SpanExportResult.FAILURE

    def takes(self, spans: Sequence[ReadableSpan]) -> bool:
        """Hand spans over; whether they are taken."""
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """OpenTelemetry's: nothing more comes."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # the SDK's own gap
        self._logger.removeFilter(self._heard)

    def _heard(self, record: logging.LogRecord) -> bool:
        for value in record.args if isinstance(record.args, tuple) else ():
            if isinstance(value, int):
                self.said = f"it answers {value}"
            elif isinstance(value, Exception):
                self.said = f"it can't be reached: {type(value).__name__}"
        return False


def provider(settings: Settings, process: str) -> TracerProvider:
    """What makes spans of this process (`api`, `worker`), and sends them now and then. Raises InvalidSettingsError."""
    collector = Collector(settings)
    try:
        made = TracerProvider(
            sampler=SAMPLERS[settings.otel_traces_sampler](settings.otel_traces_sampler_arg),
            resource=_resource(settings, process),
            span_limits=SpanLimits(),
            shutdown_on_exit=False,  # it would wait for half a minute
        )
        made.add_span_processor(BatchSpanProcessor(collector))
    except ValueError as wrong:  # of limits, which it calls by their names
        collector.shutdown()
        raise InvalidSettingsError(f"OTEL_…: can't be used: {wrong}") from wrong
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it says of every span that it was lost
    return made


async def close(provider: TracerProvider) -> None:
    """Send what is left, if that is possible in time."""
    # A thread that nobody has to wait for at the end of the process.
    flushing = threading.Thread(target=provider.shutdown, daemon=True)
    flushing.start()
    await asyncio.to_thread(flushing.join, FLUSH_SECONDS)
    if flushing.is_alive():
        log.warning("traces_not_flushed")


def answers(settings: Settings) -> str:
    """Whether the collector takes traces: tried with none, by the thread that calls. Raises RuntimeError."""
    collector = Collector(settings, CHECK_SECONDS)
    try:
        if not collector.takes(()):
            raise RuntimeError(collector.said)
    finally:
        collector.shutdown()
    return f"{urlsplit(settings.traces_endpoint or '').hostname} takes them"


def _resource(settings: Settings, process: str) -> Resource:
    given = dict(OTELResourceDetector().detect().attributes)  # OTEL_RESOURCE_ATTRIBUTES
    name = settings.otel_service_name or given.get("service.name") or f"deskwire-{process}"
    usual = {"deployment.environment.name": settings.environment}
    return Resource.create({**usual, **given, "service.name": name})
