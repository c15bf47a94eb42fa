"""How the API is served: uvicorn, with as many processes as are wanted."""

from contextlib import suppress
from typing import Any, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from infra import logs
from infra.settings import Settings
from web.connections import Connection
from web.frames import Socket

DRAIN_SECONDS: Final = 12  # for requests that run when the process is told to stop
MOST_FRAME_BYTES: Final = 1024 * 1024
PING_SECONDS: Final = 20.0

OPTIONS: Final[dict[str, Any]] = {
    "loop": "uvloop",
    "http": Connection,
    "ws": Socket,
    "ws_per_message_deflate": False,  # what is told to many is one frame for all of them
    "ws_max_size": MOST_FRAME_BYTES,
    "ws_ping_interval": PING_SECONDS,
    "ws_ping_timeout": PING_SECONDS,
    "timeout_graceful_shutdown": DRAIN_SECONDS,
    "access_log": False,
    "server_header": False,
    "proxy_headers": True,
}


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SystemExit where a process can't start."""
    logs.configure(settings, "api")
    config = uvicorn.Config(
        "web.app:create",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.worker_count,
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        log_config=None,  # what uvicorn says goes where all else does, in the same form
        log_level=None,
        **OPTIONS,
    )
    if not (_one(config) if config.workers == 1 else _several(config)):
        raise SystemExit(STARTUP_FAILURE)


def _one(config: uvicorn.Config) -> bool:
    """Serve in this process; whether it could start."""
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # SIGINT, which the server gives on once it has ended
        server.run()
    return server.started


def _several(config: uvicorn.Config) -> bool:
    """Serve in processes of their own; whether they could start, which `uvicorn.run` would not tell."""
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    return all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
