"""How the API is served: uvicorn, with as many processes as are wanted."""

from typing import Any, Final

import uvicorn

from infra.settings import Settings

DRAIN_SECONDS: Final = 12  # for requests that run when the process is told to stop
MOST_FRAME_BYTES: Final = 1024 * 1024
PING_SECONDS: Final = 20.0

OPTIONS: Final[dict[str, Any]] = {
    "loop": "uvloop",
    "http": "httptools",
    "ws": "websockets-sansio",
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
    uvicorn.run(
        "web.app:create",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.worker_count,
        log_level="warning",
        **OPTIONS,
    )
