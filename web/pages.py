"""The pages behind links in emails. GET shows, POST acts, since mail scanners follow links."""

from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from domain import audit, messages, people, preferences, refusals, sessions
from domain.wording import Wording, marked
from infra.auditing import acting
from infra.desk import Desk
from infra.postgres import Unavailable
from planner.engine import Engine
from resolvers.sessions import COOKIE
from web import ticket_page
from web.cookies import Cookies
from web.rendering import (
    BUSY,
    HEADERS,
    MOST_BYTES,
    NO_SUCH_PAGE,
    NOT_LIKE_THIS,
    NOT_NOW,
    TOO_LONG,
    WRONG_LINK,
    filled_in,
    gone,
    page,
    wording_of,
)
from web.requests import Bodies, Endpoint, Wrong, address


def routes(desk: Desk, engine: Engine) -> list[Route]:
    """The pages' routes."""
    acted = {
        "/t/{token}": ticket_page.endpoint(desk, engine),
        "/sign-in/{token}": _sign_in(desk),
        "/unsubscribe/{token}": _unsubscribe(desk),
    }
    return [
        Route("/", _home(desk), methods=["GET"]),
        *(Route(path, answer, methods=["GET", "POST"]) for path, answer in acted.items()),
    ]


def nothing(desk: Desk) -> ASGIApp:
    """What answers at every other address: people, whose link may have been broken on its way, and programs."""

    async def answer(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("Not Found", 404)
        return gone(desk, wording_of(request), 404, NO_SUCH_PAGE, WRONG_LINK)

    page, socket = request_response(answer), Router()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (page if scope["type"] == "http" else socket)(scope, receive, send)

    return app


HOME = marked("Programs ask {desk_name} at this address. The links in its emails lead to where people read and answer.")


def _home(desk: Desk) -> Endpoint:
    """What emails to staff lead to, where no front end is served in its place: GraphiQL, or what this address is."""

    async def answer(request: Request) -> Response:
        if desk.settings.introspection:
            return RedirectResponse("graphql", 307, HEADERS)  # beside this, whatever stands before it
        w, name = wording_of(request), desk.settings.desk_name
        return page(desk, w, "gone.html", name, text=w.said(HOME, desk_name=name))

    return answer


def _sign_in(desk: Desk) -> Endpoint:
    cookies = Cookies(desk.settings.public_url)

    async def answer(request: Request) -> Response:
        w = wording_of(request)
        if request.method != "POST":
            return page(desk, w, "sign_in.html", w.said(marked("Sign in")), state="ask")
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            # Else a page of elsewhere could sign its visitors in as somebody whose link it has.
            return gone(desk, w, 403, marked("Not from here"), marked("Open the link from the email itself."))
        network = address(request.scope)
        try:
            with acting("signInWithLink", None, network):
                try:
                    opened = await sessions.sign_in_with_link(desk, network, token=request.path_params["token"])
                except refusals.WrongCredentials as refusal:
                    await audit.refused(desk, refusal)
                    raise
        except refusals.WrongCredentials:
            title = w.said(marked("This link is of no use any more"))
            return page(desk, w, "sign_in.html", title, 410, state="over")
        except refusals.RateLimited:
            return gone(desk, w, 429, marked("Too many attempts"), marked("Wait a little, then try again."))
        except Unavailable:
            return gone(desk, w, 503, NOT_NOW, BUSY)
        response = page(desk, w, "sign_in.html", w.said(marked("Signed in")), state="done")
        written = cookies.written(COOKIE, opened.refresh_token, opened.refresh_token_expires_at)
        response.headers.append("set-cookie", written)
        return response

    return answer


_ALL_OFF = marked("You will get no more emails, but those that can't be turned off.")
_KIND_OFF = marked("You will get no more emails like that one. It can be turned on again in {desk_name}.")


def _unsubscribe(desk: Desk) -> Endpoint:
    """Turns off emails of one kind, or all that can be turned off. A mail program's own POST is one click, RFC 8058."""
    bodies = Bodies(MOST_BYTES)

    def shown(w: Wording, **facts: Any) -> Response:
        return page(desk, w, "unsubscribe.html", w.said(marked("No more emails")), **facts)

    async def answer(request: Request) -> Response:
        w = wording_of(request)
        found = messages.unsubscriber(desk.signer, request.path_params["token"])
        if found is None:
            return gone(desk, w, 404, NO_SUCH_PAGE, WRONG_LINK)
        person_id, kind = found
        try:
            w = await people.wording(desk, person_id)
            if request.method != "POST":
                return shown(w, done=None)
            form = await filled_in(request, bodies)
            async with desk.writes.begin() as unit:
                await preferences.turn_off_mail(unit, person_id, None if "all" in form else kind)
        except Wrong as wrong:
            return gone(desk, w, wrong.status, NOT_LIKE_THIS, TOO_LONG)
        except Unavailable:
            return gone(desk, w, 503, NOT_NOW, BUSY)
        return shown(w, done=w.said(_ALL_OFF if "all" in form else _KIND_OFF, desk_name=desk.settings.desk_name))

    return answer
