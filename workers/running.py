"""The worker process: performs jobs, relays what is owed, and does what the clock says."""

from domain.alarms import watching
from infra import logs, worker
from infra.settings import Settings
from workers import (
    alarms,
    articles,
    attachments,
    clock,
    maintenance,
    messages,
    metrics,
    resolutions,
    sessions,
    sla,
    tickets,
    waking,
)

# Imported, they have declared what they perform.
PERFORMERS = (
    alarms,
    articles,
    attachments,
    maintenance,
    messages,
    metrics,
    resolutions,
    sessions,
    sla,
    tickets,
    waking,
)


async def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    logs.configure(settings, "worker")
    await worker.work(settings, clock.TICKS, watching)
