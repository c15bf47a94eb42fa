"""How the API is served: uvicorn, with as many processes as are wanted."""

from typing import Any, Final

import uvicorn

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
    """Serve until SIGTERM or SIGINT."""
    logs.configure(settings, "api")
    uvicorn.run(
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
