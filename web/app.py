"""The ASGI application: which path is answered by what."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from domain import refusals
from domain.alarms import watching
from domain.attachments import Uploads
from infra import garbage, tracing
from infra.desk import Desk
from infra.logs import configure, lifetime, listening, report
from infra.settings import InvalidSettingsError, Settings, load
from planner.engine import Engine
from resolvers.root import schema
from web import counters, files, gauges, graphiql, health, mailbox, pages, traces
from web.cohorts import Cohorts
from web.faults import Reported, apology
from web.graphql import GraphQL
from web.identity import Identities
from web.leaving import Leaving
from web.shares import Shares
from web.sockets import Sockets

ENDPOINT = "/graphql"


class App:
    """All of it. The endpoint is asked first, since that is where nearly every request goes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._graphql: ASGIApp | None = None
        self._sockets: ASGIApp | None = None
        self._others: ASGIApp = Router()
        self._leaving = Leaving(settings.shutdown_delay_seconds)
        self.routes: list[Route] = []
        self.desk: Desk | None = None
        self.engine: Engine | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["path"] == ENDPOINT:
            app = self._graphql if scope["type"] == "http" else self._sockets
            if app is not None:
                await app(scope, receive, send)
                return
        await self._others(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Serve until the server says that it ends, and tell it in a line why that can't be."""
        phase = "startup"
        try:
            async with self.running():
                await receive()
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except InvalidSettingsError as refused:
            said = str(refused)
        except Exception as error:  # noqa: BLE001 # whatever it is, the server has to hear of it
            said = f"The {phase} failed: {report(error)}"
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": f"lifespan.{phase}.failed", "message": said})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the pipes, serve, and close them."""
        async with (
            tracing.exporting(self._settings, "api"),
            Desk.open(self._settings) as self.desk,
            self._serving(self.desk),
        ):
            with self._leaving.put_off(), lifetime():  # who reads that it begins may tell it to end at once
                yield

    @asynccontextmanager
    async def _serving(self, desk: Desk) -> AsyncIterator[None]:
        settings = self._settings
        self.engine = engine = Engine(
            schema,
            desk.reads,
            refusals=refusals.Refusal,
            report=report,
            given=desk,
            introspection=settings.introspection,
        )
        identities = Identities(desk)
        desk.hub.start()
        identities.start()
        cohorts, self.shares = Cohorts(desk.hub), Shares(desk.settings)
        outside = health.Outside(settings)
        self.routes = [
            Route("/health/live", health.live),
            Route("/health/ready", health.ready(desk, self._leaving, outside)),
            Route("/metrics", gauges.metrics(desk, engine, outside.files)),
            *files.routes(settings, desk.files, desk.signer, Uploads(desk), self.shares),
            *pages.routes(desk, engine),
        ]
        if settings.introspection:
            self.routes += graphiql.routes()
        if settings.embedded:
            self.routes += mailbox.routes(settings.data_dir / "mail")
        # Slashes are not redirected: that would lead to whatever host the request names.
        rest = Router(self.routes, redirect_slashes=False, default=pages.nothing(desk))
        self._graphql = traces.traced(GraphQL(desk, engine, identities, cohorts, self.shares), ENDPOINT)
        self._sockets = Sockets(desk, engine, identities, cohorts, self.shares)
        self._others = traces.traced(Reported(rest, partial(apology, desk)))
        try:
            with listening(counters.count):
                async with watching(desk):
                    yield
        finally:
            self._graphql = self._sockets = None
            self._others = Router()
            await identities.stop()
            await engine.cards.close()


def create() -> ASGIApp:
    """The application of this process, with the settings of its environment."""
    settings = load()
    configure(settings, "api")
    garbage.spare()
    return opened_to(settings.allowed_origins, App(settings))


def opened_to(origins: Sequence[str], app: ASGIApp) -> ASGIApp:
    """The application, as programs on pages of these origins may use it too."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["Authorization", "Content-Type", "X-Visitor", "traceparent", "tracestate"],
        expose_headers=["X-Visitor", "Retry-After"],
        allow_credentials=True,
        max_age=3600,
    )
