"""Structured logs, and errors that are reported under an id."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration

from infra import tracing
from infra.faults import place, told, traced
from infra.ids import new_id
from infra.settings import Settings

log = structlog.get_logger("deskwire")

# What is being done, as ids and names by their names: asked for when something is told of it, which is seldom.
doing: ContextVar[Callable[[], dict[str, str]] | None] = ContextVar("doing", default=None)
_REPORTED = "_reported_as"
# What asyncpg leaves behind of a connection that was given up while it was made: nobody waits for it any more.
_GIVEN_UP = "unexpected connection_lost() call"
_listeners: list[Callable[["Fault"], None]] = []
_of_process = Context()  # in which nothing is done for anybody


class _Output:
    """Standard error. That its disk is full, or that nobody reads it any more, is no reason to fail at anything."""

    def __init__(self) -> None:
        self._stream = sys.stderr

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that was reported: what may be told of it to those who keep the desk running."""

    error_id: str
    kind: str
    place: str
    about: dict[str, str]  # ids and names of what was being done


def configure(settings: Settings, process: str) -> None:
    """Log to standard error, as JSON or for a terminal, and report errors to Sentry if there is one."""
    global _of_process  # noqa: PLW0603 # as all of a process log to one place
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _doing,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        # Plain tracebacks: richer ones show what variables hold, which may be people's words or secrets.
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if settings.log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    exceptions: list[Any] = [] if settings.log_format == "console" else [_traced]
    level = logging.getLevelNamesMapping()[settings.log_level]
    output: Any = _Output()
    structlog.configure(
        processors=[*shared, *exceptions, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(output),
    )
    # What libraries say goes the same way.
    handler = logging.StreamHandler(output)
    handler.addFilter(_is_news)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    structlog.contextvars.bind_contextvars(process=process)
    _of_process = Context()
    _of_process.run(structlog.contextvars.bind_contextvars, process=process)
    if settings.sentry_dsn:
        send_errors(settings.sentry_dsn, settings.environment)


def on_its_own(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that is the process's, whoever's request or job it begins in: nothing that it tells is of theirs."""
    return asyncio.get_running_loop().create_task(work, context=_of_process.copy())


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a library tells of anything but an error that was reported already, or that concerns nobody."""
    error = record.exc_info[1] if record.exc_info else None
    return _REPORTED not in getattr(error, "__dict__", {}) and str(error) != _GIVEN_UP


def _about() -> dict[str, Any]:
    found = doing.get()
    return {**({} if found is None else found()), **tracing.ids()}


def _doing(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog's: the entry with what is being done."""
    return {**_about(), **entry}


def _traced(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog's: the entry with its error as text."""
    found = entry.pop("exc_info", None)
    error = found if isinstance(found, BaseException) else found[1] if isinstance(found, tuple) else sys.exception()
    if found and error is not None:
        entry["exception"] = traced(error)
    return entry


def send_errors(dsn: str, environment: str, **more: Any) -> None:
    """Have what is reported sent to a Sentry: the kind of error and where, never what variables or requests hold."""
    sentry_sdk.init(
        dsn,
        environment=environment,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        # Each error has its one place where it is reported; others would send it again, with requests or arguments.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[DedupeIntegration(), ExcepthookIntegration(), AtexitIntegration(callback=lambda *_: None)],
        before_send=_without_words,
        **more,
    )


def _without_words(event: Any, hint: dict[str, Any]) -> Any:
    """What is sent of an error: not its text, which may quote anybody."""
    for each in event.get("exception", {}).get("values", []):
        each["value"] = ""
    if found := hint.get("exc_info"):
        event["exception"]["values"][-1]["value"] = told(found[1])  # the last is what was raised at last
    return event


def report(error: BaseException, **facts: Any) -> str:
    """Log an unexpected error and send it on; gives the id that finds it again, which may be shown to anyone.

    An error that comes to several, such as all who watch the same, is one fault, with one id.
    """
    if known := getattr(error, "__dict__", {}).get(_REPORTED):
        return str(known)
    error_id = str(new_id())
    with contextlib.suppress(AttributeError, TypeError):  # some take no attributes
        setattr(error, _REPORTED, error_id)
    log.error("unexpected_error", error_id=error_id, exc_info=error, **facts)
    tracing.failed(error, error_id)
    about = {name: str(value) for name, value in (structlog.contextvars.get_contextvars() | _about() | facts).items()}
    with sentry_sdk.new_scope() as scope:
        for name, value in ({"error_id": error_id} | about).items():
            scope.set_tag(name, value)
        scope.capture_exception(error)
    for listener in _listeners:
        listener(Fault(error_id, told(error), place(error), about))
    return error_id


@contextlib.contextmanager
def lifetime() -> Iterator[None]:
    """Log that this process begins and ends: what begins anew without an end before was killed."""
    log.info("process_begins", pid=os.getpid())
    try:
        yield
    finally:
        log.info("process_ends", pid=os.getpid())


@contextlib.contextmanager
def listening(listener: Callable[[Fault], None]) -> Iterator[None]:
    """Have the listener called with each fault that is reported in this process. It must not fail."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
