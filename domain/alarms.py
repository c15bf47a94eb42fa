"""Telling whoever operates the desk of faults, by mail: of each kind once an hour, without anybody's words."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from domain import attempts, messages
from domain.attempts import Limit
from domain.jobs import TellOperator
from infra.desk import Desk
from infra.faults import told
from infra.jobs import Work
from infra.letters import Later, Letter, Undeliverable
from infra.logs import Fault, listening, log
from infra.postgres import Unavailable
from infra.settings import Settings
from infra.unit import now

HOUR = 60 * 60
EACH_KIND = Limit("fault:kind", 1, HOUR)
MOST_WAITING = 100  # kinds at once; the log has all of them
PAUSES = (0, 10, 60, 300)  # between two tries to send a mail without a database that could remember it
GOODBYE_SECONDS = 2.0


@asynccontextmanager
async def watching(desk: Desk) -> AsyncIterator[None]:
    """Tell the operator of this process's faults meanwhile, if there is an address for that."""
    if desk.settings.operator_email is None:
        yield
        return
    alarms = Alarms(desk)
    running = asyncio.create_task(alarms.run())
    try:
        with listening(alarms.hear):
            yield
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(alarms.waiting.join(), GOODBYE_SECONDS)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Alarms:
    """Hears of faults, and tells of them later: never from within what has failed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: dict[str, int] = {}  # in which hour this process told of a kind
        self.waiting: asyncio.Queue[Fault] = asyncio.Queue(MOST_WAITING)

    def hear(self, fault: Fault) -> None:
        """A fault was reported."""
        hour, kind = int(now().timestamp()) // HOUR, kind_of(fault)
        if self._told.get(kind) == hour or self.waiting.full():
            return
        self._told = {known: when for known, when in self._told.items() if when == hour} | {kind: hour}
        self.waiting.put_nowait(fault)

    async def run(self) -> None:
        """Tell of what was heard, for ever."""
        while True:
            fault = await self.waiting.get()
            try:
                await self._tell(fault)
            except Exception as error:  # noqa: BLE001 # it must go on; reporting would lead back to here
                log.warning("operator_not_told", error_id=fault.error_id, error=told(error))
            finally:
                self.waiting.task_done()

    async def _tell(self, fault: Fault) -> None:
        job = TellOperator(fault.error_id, fault.kind, fault.place, fault.about, now().isoformat(timespec="seconds"))
        try:
            async with self._desk.writes.begin() as unit:
                here, _ = await attempts.Attempts(unit, EACH_KIND, kind_of(fault)).counted()
                if here == 1:  # else another process has told
                    unit.enqueue(job)
        except Unavailable:
            await self._directly(job)

    async def _directly(self, job: TellOperator) -> None:
        """Without a database: from here, as long as this process lives."""
        for number, pause in enumerate(PAUSES, 1):
            await asyncio.sleep(pause)
            try:
                await self._desk.mail.send(letter(self._desk.settings, job))
            except Later:
                if number == len(PAUSES):
                    raise
            else:
                return


def kind_of(fault: Fault) -> str:
    """What faults have in common that are told of once an hour: their type and place."""
    return f"{fault.kind.partition(':')[0]} {fault.place}"


async def tell(work: Work[TellOperator]) -> None:
    """Send the mail. Raises Later when it could not be handed over now."""
    settings = work.desk.settings
    if settings.operator_email is None:
        return
    try:
        await work.desk.mail.send(letter(settings, work.job))
    except Undeliverable as refused:
        log.warning("operator_not_told", error_id=work.job.error_id, error=told(refused))


def letter(settings: Settings, job: TellOperator) -> Letter:
    """What the operator reads: the kind of fault, its place, and ids under which the log has more."""
    lines = [
        f"Something broke in {settings.desk_name} that nobody expected.",
        "",
        f"What: {job.fault}",
        f"Where: {job.place}",
        f"When: {job.at}",
        f"Id: {job.error_id}",
        *(f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in sorted(job.about.items())),
        "",
        "The log has more under this id. Of the same kind of fault you are told at most once an hour.",
    ]
    return Letter(
        to=settings.operator_email or "",
        to_name=None,
        subject=f"[{settings.desk_name}] {job.fault.partition(':')[0]} in {job.place}",
        text="\n".join(lines) + "\n",
        html=None,
        message_id=messages.address(UUID(job.error_id), settings),
    )
