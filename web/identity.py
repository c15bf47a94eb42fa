"""Who is asking: access tokens, and the sessions that have ended while theirs were about."""

import asyncio
import datetime as dt
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
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

MOST_TOKENS, MOST_TOLD = 10_000, 1_000
LOOK_SECONDS = 10.0
OVER = "The session has ended."


def token_in(authorization: str) -> str:
    """The token that a request brings (RFC 6750). Raises BadToken where it brings something else."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise BadToken("Another scheme.")
    return token.strip()


class Watched:
    """A token by which something is open, and who is told of its end."""

    __slots__ = ("bearer", "tell", "timer")

    def __init__(self, bearer: Bearer, tell: Callable[[str], object]) -> None:
        self.bearer, self.tell = bearer, tell
        self.timer: asyncio.TimerHandle | None = None


class Identities:
    """Tells tokens apart: our own, those of programs, and those of the other issuer.

    The end of a session or token is heard of through Redis at once, and found in PostgreSQL within 10 s.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: OrderedDict[str, Bearer] = OrderedDict()  # whose signature was verified before
        self._ended: dict[UUID, dt.datetime] = {}
        self._told: deque[str] = deque(maxlen=MOST_TOLD)  # messages of tokens, which this process hears twice of itself
        self._watched: dict[UUID, set[Watched]] = defaultdict(set)
        self._lookers = set[asyncio.Task[None]]()
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

    def watch(self, bearer: Bearer, tell: Callable[[str], object]) -> Watched:
        """`tell` is called once, with a message: when the token or its session has ended, or has another role."""
        watched = Watched(bearer, tell)
        self._watched[bearer.session_id].add(watched)
        if bearer.session_id in self._ended:
            asyncio.get_running_loop().call_soon(self._tell, watched, OVER)
        else:
            self._wait(watched, bearer.expires_at)
        return watched

    def unwatch(self, watched: Watched) -> None:
        """Tell nothing more."""
        if watched.timer is not None:
            watched.timer.cancel()
        of_session = self._watched.get(watched.bearer.session_id, set())
        of_session.discard(watched)
        if not of_session:
            self._watched.pop(watched.bearer.session_id, None)

    def _tell(self, watched: Watched, message: str) -> None:
        if watched in self._watched.get(watched.bearer.session_id, ()):
            self.unwatch(watched)
            watched.tell(message)

    def _wait(self, watched: Watched, until: dt.datetime) -> None:
        seconds = (until - dt.datetime.now(dt.UTC)).total_seconds()
        watched.timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._expired, watched)

    def _expired(self, watched: Watched) -> None:
        if watched.bearer.again is None:
            self._tell(watched, "The access token has ended.")
            return
        task = asyncio.create_task(self._look_again(watched, watched.bearer.again))
        self._lookers.add(task)
        task.add_done_callback(self._lookers.discard)

    async def _look_again(self, watched: Watched, token: str) -> None:
        """Go on watching while the token is as good as it was."""
        try:
            found = await self.bearer(token)
            if found.viewer != watched.bearer.viewer:
                raise BadToken("The rights are others now.")
            until = found.expires_at
        except Unavailable:
            until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=LOOK_SECONDS)
        except BadToken:
            self._tell(watched, OVER)
            return
        except Exception as error:  # noqa: BLE001 # of whom nothing is known, nothing more is told to
            report(error)
            self._tell(watched, OVER)
            return
        if watched in self._watched.get(watched.bearer.session_id, ()):
            self._wait(watched, until)

    def start(self) -> None:
        """Begin to look into PostgreSQL."""
        self._looking = asyncio.create_task(self._look_forever())

    async def stop(self) -> None:
        """Stop looking."""
        tasks = [task for task in (self._looking, *self._lookers) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, message: str) -> None:
        moment = dt.datetime.now(dt.UTC)
        self._end({UUID(text): moment for text in message.split(",")})

    def _hear_of_tokens(self, message: str) -> None:
        if message not in self._told:  # else it would end what began anew since
            self._told.append(message)
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
            for watched in list(self._watched[session_id]):
                self._tell(watched, OVER)

    def _forget(self) -> None:
        """Forget the sessions whose last token has ended as well."""
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self._desk.settings.access_token_seconds + 60)
        self._ended = {session_id: at for session_id, at in self._ended.items() if at > since}

    async def _look_forever(self) -> None:
        migrated = False  # a new desk's first process may be here before its tables
        while True:
            try:
                if not migrated:
                    await migrations.awaited(self._desk.reads)
                    migrated = True
                # What was heard meanwhile stays: it may be younger than what was read.
                self._end(await sessions.ended_lately(self._desk))
                self._forget()
            except Unavailable as error:
                log.warning("ended_sessions_unknown", error=told(error))
            except Exception as error:  # noqa: BLE001 # it must go on as long as the process lives
                report(error)
            await asyncio.sleep(LOOK_SECONDS)
