"""How the desk is, for people: `desk status`."""

import asyncio
from collections.abc import Iterator

from redis.exceptions import RedisError
from rich.table import Table

from infra import checks, waiting
from infra.checks import Result
from infra.postgres import NO_ANSWER, Reads
from infra.redis import Bus
from infra.settings import Settings
from infra.waiting import Waiting

# Later than this, somebody should look: the relay comes by every two seconds, and a mail server may have a bad moment.
LATE_JOB_SECONDS = 60
LATE_MAIL_SECONDS = 600


async def status(settings: Settings) -> list[Result]:
    """What is outside, who works, and what waits."""
    outside, workers, waits = await asyncio.gather(
        checks.check(settings), _workers(settings.redis_url), _waits(settings.database_url)
    )
    return [*outside, workers, *waits]


def table(results: list[Result]) -> Table:
    """The results as people read them in a terminal."""
    shown = Table("", "part", "state", box=None, pad_edge=False, header_style="dim")
    for result in results:
        shown.add_row("[green]ok[/]" if result.good else "[bold red]BAD[/]", result.name, _plain(result.said))
    return shown


def judged(waits: Waiting) -> Iterator[Result]:
    """What of it is as it should be."""
    late = waits.oldest_due_seconds
    failing = f" ({waits.failing:,} of them failed before)" if waits.failing else ""
    yield Result("jobs", good=True, said=f"{waits.queued:,} queued{failing}, {waits.running:,} running")
    yield Result("relay lag", good=late <= LATE_JOB_SECONDS, said=f"the oldest job that is due waits {late:,.0f} s")
    yield Result("dead jobs", good=not waits.dead, said=f"{waits.dead:,} given up")
    late = waits.oldest_unsent_mail_seconds
    said = f"{waits.unsent_mail:,} to be sent, the oldest since {late:,.0f} s"
    yield Result("unsent mail", good=late <= LATE_MAIL_SECONDS, said=said)
    # Some addresses are always wrong.
    yield Result("dead mail", good=True, said=f"{waits.dead_mail:,} given up, and waits to be decided (deadLetters)")
    said = f"{waits.waiting_mail:,} came in and fit no ticket"
    if waits.waiting_mail:
        said += f", the oldest {waits.oldest_waiting_mail_seconds / 3600:,.1f} h ago: `desk waiting-mail` lists them"
    yield Result("waiting mail", good=True, said=said)


async def _workers(redis_url: str) -> Result:
    bus = Bus(redis_url)
    try:
        count = await bus.workers()
    except (RedisError, OSError):
        return Result("workers", good=False, said="not known, since Redis does not answer")
    finally:
        await bus.close()
    return Result("workers", good=count > 0, said=f"{count} alive")


async def _waits(database_url: str) -> list[Result]:
    reads = Reads(database_url, size=1)
    try:
        return list(judged(await waiting.read(reads)))
    except NO_ANSWER:
        return [Result("jobs and mail", good=False, said="not known, since the database does not say")]
    finally:
        await reads.close()


def _plain(said: str) -> str:
    return said.replace("[", r"\[")  # a bracket in what a server says is no markup
