"""Who is asking: access tokens, and the sessions that have ended while theirs were about."""

import asyncio
import datetime as dt
from collections import OrderedDict
from uuid import UUID

import structlog

from domain import sessions
from domain.sessions import Bearer
from infra.desk import Desk
from infra.logs import report
from infra.postgres import Unavailable
from infra.signing import BadToken

log = structlog.get_logger(__name__)

MOST_TOKENS = 10_000
LOOK_SECONDS = 10.0


class Identities:
    """Tells tokens apart. A session's end is heard of through Redis at once, and found in PostgreSQL within 10 s."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: OrderedDict[str, Bearer] = OrderedDict()  # whose signature was verified before
        self._ended: dict[UUID, dt.datetime] = {}
        self._looking: asyncio.Task[None] | None = None
        desk.hub.listen(sessions.CHANNEL, self._hear)

    def bearer(self, token: str) -> Bearer:
        """Whom the token stands for. Raises BadToken when it is expired, forged, or its session has ended."""
        found = self._known.get(token)
        if found is None:
            found = self._known[token] = sessions.bearer(self._desk, token)
            if len(self._known) > MOST_TOKENS:
                self._known.popitem(last=False)
        if found.session_id in self._ended or found.expires_at <= dt.datetime.now(dt.UTC):
            self._known.pop(token, None)
            raise BadToken("The session has ended.")
        return found

    def has_ended(self, session_id: UUID) -> bool:
        """Whether the session is known to have ended."""
        return session_id in self._ended

    def end(self, session_id: UUID) -> None:
        """The session has just ended in this process."""
        self._ended[session_id] = dt.datetime.now(dt.UTC)

    def start(self) -> None:
        """Begin to look into PostgreSQL."""
        self._looking = asyncio.create_task(self._look_forever())

    async def stop(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _hear(self, message: str) -> None:
        for text in message.split(","):
            self.end(UUID(text))

    async def _look_forever(self) -> None:
        while True:
            try:
                self._ended = await sessions.ended_lately(self._desk)
            except Unavailable as error:
                log.warning("ended_sessions_unknown", error=repr(error))
            except Exception as error:  # noqa: BLE001 # it must go on as long as the process lives
                report(error)
            await asyncio.sleep(LOOK_SECONDS)
