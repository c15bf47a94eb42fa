"""Who is asking: access tokens, and the sessions that have ended while theirs were about."""

import asyncio
import datetime as dt
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from domain import api_tokens, external, sessions
from domain.sessions import Bearer
from infra import migrations
from infra.auditing import acting
from infra.desk import Desk
from infra.faults import told
from infra.logs import report
from infra.postgres import Unavailable
from infra.signing import BadToken

log = structlog.get_logger(__name__)

MOST_TOKENS = 10_000
LOOK_SECONDS = 10.0


class Identities:
    """Tells tokens apart: our own, those of programs, and those of the other issuer.

    The end of a session or token is heard of through Redis at once, and found in PostgreSQL within 10 s.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: OrderedDict[str, Bearer] = OrderedDict()  # whose signature was verified before
        self._ended: dict[UUID, dt.datetime] = {}
        self._watched: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._heard = 0  # how often something was let go
        desk.hub.listen(sessions.CHANNEL, self._hear)
        desk.hub.listen(api_tokens.CHANNEL, self._hear_of_tokens)

    async def bearer(self, token: str, network: str = "") -> Bearer:
        """Whom the token stands for, which came from this network address. Raises BadToken when it is expired, forged,
        or its session has ended; Unavailable when nobody can say.
        """
        found = self._known.get(token)
        if found is not None and found.expires_at <= dt.datetime.now(dt.UTC):
            del self._known[token]
            found = None
        if found is None:  # one that is known has not ended: it would have been let go
            found = await self._looked_up(token, network)
            if found.session_id in self._ended:
                self._known.pop(token, None)
                raise BadToken("The session has ended.")
        return found

    async def _looked_up(self, token: str, network: str) -> Bearer:
        heard = self._heard
        if api_tokens.is_one(token):
            found = await api_tokens.bearer(self._desk, token)
        elif self._desk.issuer.is_of(token):
            with acting("signInElsewhere", None, network):
                found = await external.bearer(self._desk, token)
        else:
            try:
                found = sessions.bearer(self._desk, token)
            except (AttributeError, KeyError, ValueError, TypeError) as error:  # it is of another version
                raise BadToken("The token is not like those of today.") from error
        if heard == self._heard:  # else what was found may be of before
            self._known[token] = found
            if len(self._known) > MOST_TOKENS:
                self._known.popitem(last=False)
        return found

    @contextmanager
    def watching(self, session_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when the session has ended."""
        event = asyncio.Event()
        if session_id in self._ended:
            event.set()
        self._watched[session_id].add(event)
        try:
            yield event
        finally:
            self._watched[session_id].discard(event)
            if not self._watched[session_id]:
                del self._watched[session_id]

    async def ended(self, bearer: Bearer) -> str:
        """Wait until the token or its session has ended, or stands for another role. Says which."""
        with self.watching(bearer.session_id) as ended:
            while True:
                try:
                    until = await self._until(bearer)
                except BadToken:
                    break
                try:
                    async with asyncio.timeout((until - dt.datetime.now(dt.UTC)).total_seconds()):
                        await ended.wait()
                    break
                except TimeoutError:
                    if bearer.again is None:
                        return "The access token has ended."
        return "The session has ended."

    async def _until(self, bearer: Bearer) -> dt.datetime:
        """Until when it is known to be good. Raises BadToken when it is not, or not as it was."""
        if bearer.again is None:
            return bearer.expires_at
        try:
            found = await self.bearer(bearer.again)
        except Unavailable:
            return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=LOOK_SECONDS)
        if found.viewer != bearer.viewer:
            raise BadToken("The rights are others now.")
        return found.expires_at

    def start(self) -> None:
        """Begin to look into PostgreSQL."""
        self._looking = asyncio.create_task(self._look_forever())

    async def stop(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _hear(self, message: str) -> None:
        moment = dt.datetime.now(dt.UTC)
        self._end({UUID(text): moment for text in message.split(",")})

    def _hear_of_tokens(self, message: str) -> None:
        self._let_go({UUID(text) for text in message.split(",")})

    def _end(self, found: dict[UUID, dt.datetime]) -> None:
        fresh = found.keys() - self._ended.keys()
        self._ended |= found
        if fresh:
            self._let_go(fresh)

    def _let_go(self, ids: set[UUID]) -> None:
        """Believe nothing that is known of these sessions and tokens, and end what is open with them."""
        self._heard += 1
        for token in [token for token, bearer in self._known.items() if bearer.session_id in ids]:
            del self._known[token]
        for session_id in ids & self._watched.keys():
            for event in self._watched[session_id]:
                event.set()

    def _forget(self) -> None:
        """Forget the sessions whose last token has ended as well."""
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self._desk.settings.access_token_seconds + 60)
        self._ended = {session_id: at for session_id, at in self._ended.items() if at > since}

    async def _look_forever(self) -> None:
        await migrations.awaited(self._desk.reads)  # a new desk's first process may be here before its tables
        while True:
            try:
                # What was heard meanwhile stays: it may be younger than what was read.
                self._end(await sessions.ended_lately(self._desk))
                self._forget()
            except Unavailable as error:
                log.warning("ended_sessions_unknown", error=told(error))
            except Exception as error:  # noqa: BLE001 # it must go on as long as the process lives
                report(error)
            await asyncio.sleep(LOOK_SECONDS)
