"""What waits in the database: jobs, and mail. Told to Prometheus and to an operator by the same statement."""

import asyncio
import time
from dataclasses import dataclass

from infra.postgres import NO_ANSWER, Reads

MOST_COUNTED = 100_000  # of each; who has more has the same worry
FRESH_SECONDS = 5.0
ANSWER_SECONDS = 3

# Each part walks an index of what is left to do, never what is done.
STATEMENT = f"""
WITH owed AS MATERIALIZED (
    SELECT state, attempts, due_at FROM jobs WHERE state IN ('QUEUED', 'RUNNING') ORDER BY due_at LIMIT {MOST_COUNTED}
), dead AS MATERIALIZED (
    SELECT FROM jobs WHERE state = 'DEAD' LIMIT {MOST_COUNTED}
), dead_mail AS MATERIALIZED (
    SELECT FROM dead_letters WHERE status = 'WAITING' AND kind = 'EMAIL' LIMIT {MOST_COUNTED}
), mail AS MATERIALIZED (
    SELECT not_before FROM messages WHERE status = 'QUEUED' ORDER BY not_before LIMIT {MOST_COUNTED}
), undecided AS MATERIALIZED (
    SELECT received_at FROM inbound_mails WHERE outcome = 'WAITING' ORDER BY received_at LIMIT {MOST_COUNTED}
)
SELECT
    (SELECT count(*) FROM owed WHERE state = 'QUEUED') AS queued,
    (SELECT count(*) FROM owed WHERE state = 'RUNNING') AS running,
    (SELECT count(*) FROM owed WHERE state = 'QUEUED' AND attempts > 0) AS failing,
    (SELECT count(*) FROM dead) AS dead,
    (SELECT greatest(0, extract(epoch FROM now() - min(due_at)))::float8 FROM owed) AS oldest_due_seconds,
    (SELECT count(*) FROM dead_mail) AS dead_mail,
    (SELECT count(*) FROM mail) AS unsent_mail,
    (SELECT greatest(0, extract(epoch FROM now() - min(not_before)))::float8 FROM mail) AS oldest_unsent_mail_seconds,
    (SELECT count(*) FROM undecided) AS waiting_mail,
    (SELECT greatest(0, extract(epoch FROM now() - min(received_at)))::float8 FROM undecided)
        AS oldest_waiting_mail_seconds
"""  # noqa: S608 # a number of ours


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits. Ages are 0 when nothing is overdue; counts end at 100,000."""

    queued: int
    running: int
    failing: int  # of those that are queued: they are tried again, until they are given up
    dead: int
    oldest_due_seconds: float  # how long the relay or a worker owes what should have been done first
    dead_mail: int  # that was given up, and waits for somebody to decide
    unsent_mail: int
    oldest_unsent_mail_seconds: float
    waiting_mail: int  # that came in, fits no ticket, and waits for somebody to decide
    oldest_waiting_mail_seconds: float


async def read(reads: Reads) -> Waiting:
    """What waits now. Raises one of NO_ANSWER when the database does not say within 3 seconds."""
    async with asyncio.timeout(ANSWER_SECONDS):
        (record,) = await reads.fetch(STATEMENT, [])
    return Waiting(**{name: value or 0 for name, value in record.items()})


class Watched:
    """What waits, read at most once in 5 seconds however many ask."""

    def __init__(self, reads: Reads) -> None:
        """`reads`: where it is read."""
        self._reads = reads
        self._lock = asyncio.Lock()
        self._known: Waiting | None = None
        self._until = 0.0

    async def now(self) -> Waiting | None:
        """What waits; None while the database does not say."""
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._known = await read(self._reads)
                except NO_ANSWER:
                    self._known = None
                self._until = time.monotonic() + FRESH_SECONDS
            return self._known
