"""What a process logs in production, read while it does."""

import io
import json
import logging
from contextlib import contextmanager
from contextvars import Context

import structlog

from infra.logs import configure


@contextmanager
def logging_as_in_production(settings, monkeypatch, level):
    """In the block this process logs as one in production, from a level on; gives what gives the entries so far."""
    before, handlers, root_level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr("infra.logs._of_process", Context())
    configure(settings.model_copy(update={"log_format": "json", "log_level": level, "embedded": False}), "tests")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(root_level)
