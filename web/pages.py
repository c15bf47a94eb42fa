"""Small plain pages for links in emails. GET shows, POST acts, since mail scanners follow links."""

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import jinja2
import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from domain import audit, messages, people, preferences, refusals, sessions
from domain.access import Viewer
from domain.tickets.actions import AFTER_CLOSING
from domain.wording import Wording, marked
from infra.auditing import acting
from infra.desk import Desk
from infra.ids import new_id
from infra.postgres import Unavailable
from infra.signing import BadToken
from infra.unit import now
from models import Role
from planner.engine import Engine
from resolvers.sessions import COOKIE
from schema.context import Context
from web.requests import Bodies, Wrong

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is what lets one in
    "X-Content-Type-Options": "nosniff",
}
STATUSES = {
    "OPEN": "Waiting for us",
    "PENDING": "Waiting for you",
    "ON_HOLD": "On hold",
    "RESOLVED": "Solved",
    "CLOSED": "Closed",
}
TICKET = """query TicketPage($id: ID!) { ticket(id: $id) {
  number subject status bodyHtml createdAt updatedAt closedAt
  resolution { summaryHtml resolvedAt resolvedBy { name } state confirmBy rating feedback }
  category { name } triage { topic } department { name } assignee { name }
  attachments(first: 100) { nodes { filename sizeBytes url comment { id } } }
  comments(last: 100) { nodes { bodyHtml createdAt author { name } attachments { filename sizeBytes url } } }
  events(last: 50) { nodes {
    __typename at actor { name }
    ... on TicketRouted { toDepartment { name } }
    ... on TicketAssigned { toAssignee { name } }
    ... on StatusChanged { toStatus }
    ... on CategoryChanged { toCategory { name } }
    ... on RequesterChanged { toRequester { name } }
    ... on TicketMerged { tookIn }
    ... on TicketClosed { expired } } } } }"""
# What the forms of a ticket's page do, by the value of their button: the mutation, and what of the form it is given.
DEEDS = {
    "comment": ("addComment", ("body", "idempotencyKey")),
    "confirm": ("confirmResolution", ("rating", "feedback", "idempotencyKey")),
    "reopen": ("reopenTicket", ("reason", "idempotencyKey")),
    "withdraw": ("closeTicket", ()),
}
DONE = {
    "comment": "Your answer is there.",
    "confirm": "Thank you. You have confirmed that this is solved.",
    "reopen": "Thank you. This ticket is open again, and we look after it.",
    "withdraw": "You have withdrawn this ticket. It is closed.",
}
RATINGS = {str(number): number for number in range(1, 6)}
TOO_LONG = "That is too long to be sent from here, or it came too slowly."
MOST_BYTES = 200_000  # of a form: 20,000 characters, each in its longest form

_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


def _moment(text: str) -> str:
    return f"{dt.datetime.fromisoformat(text):%-d %B %Y, %H:%M} UTC"


def _name(person: dict[str, Any] | None) -> str:
    return person["name"] if person else "Deskwire"


TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "TicketSubmitted": lambda event: f"Submitted by {_name(event['actor'])}",
    "TicketRouted": lambda event: f"Went to {event['toDepartment']['name']}",
    "TicketAssigned": lambda event: f"Taken on by {_name(who)}" if (who := event["toAssignee"]) else "Put back",
    "CommentAdded": lambda event: f"{_name(event['actor'])} wrote",
    "CommentEdited": lambda event: f"{_name(event['actor'])} changed a comment",
    "CommentDeleted": lambda event: f"{_name(event['actor'])} took back a comment or a file",
    "StatusChanged": lambda event: STATUSES[event["toStatus"]],
    "PriorityChanged": lambda _: "The priority changed",
    "CategoryChanged": lambda event: f"Belongs to {event['toCategory']['name']} now",
    "SubjectChanged": lambda _: "The subject changed",
    "ServiceChanged": lambda _: "The service concerned changed",
    "RequesterChanged": lambda event: f"Handed over to {event['toRequester']['name']}",
    "WatchersChanged": lambda _: "Others began or ceased to follow it",
    "TicketMerged": lambda event: "Took in another ticket" if event["tookIn"] else "Went into another ticket",
    "TicketEscalated": lambda _: "Escalated",
    "EscalationAcknowledged": lambda event: f"{_name(event['actor'])} sees to it",
    "EscalationEnded": lambda _: "No longer escalated",
    "TicketResolved": lambda event: f"Solved by {_name(event['actor'])}",
    "ResolutionConfirmed": lambda event: f"{_name(event['actor'])} confirmed that it is solved",
    "TicketReopened": lambda _: "Opened again",
    "TicketClosed": lambda event: "Closed, since nobody answered" if event["expired"] else "Closed",
}


def _told(event: dict[str, Any]) -> str:
    return TOLD[event["__typename"]](event)


_pages.filters |= {"moment": _moment, "told": _told}

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(desk: Desk, engine: Engine) -> list[Route]:
    """The pages' routes."""
    return [
        Route("/t/{token}", _ticket(desk, engine), methods=["GET", "POST"]),
        Route("/sign-in/{token}", _sign_in(desk), methods=["GET", "POST"]),
        Route("/unsubscribe/{token}", _unsubscribe(desk), methods=["GET", "POST"]),
    ]


def _page(desk: Desk, name: str, title: str, status: int = 200, **facts: Any) -> Response:
    settings = desk.settings
    body = _pages.get_template(name).render(
        title=title, desk_name=settings.desk_name, home=settings.public_url, **facts
    )
    return HTMLResponse(body, status_code=status, headers=HEADERS)


def _ticket(desk: Desk, engine: Engine) -> Endpoint:
    bodies = Bodies(MOST_BYTES)

    async def answer(request: Request) -> Response:
        try:
            claims = desk.signer.read(messages.TICKET_LINK, request.path_params["token"])
        except BadToken:
            said = "This link is not right, or too old."
            return _page(desk, "gone.html", "No such page", 404, said=said)
        ticket_id = UUID(claims["ticket"])
        viewer = Viewer(Role.CUSTOMER, UUID(claims["person"]), ticket_id)
        context = Context(desk, engine, viewer)
        form: dict[str, str] = {}
        problem, key = None, str(new_id())
        if request.method == "POST":
            try:
                body = await bodies.read(dict(request.scope["headers"]), request.receive)
            except Wrong as wrong:
                return _page(desk, "gone.html", "Not like this", wrong.status, said=TOO_LONG)
            form = _form(body)
            key = form.get("key") or key
            problem = await _done(engine, context, ticket_id, form | {"key": key})
            if problem is None:
                return RedirectResponse(f"{request.url.path}?done={_deed(form)}", 303, HEADERS)
        found = await engine.query(TICKET, {"id": f"tkt_{ticket_id}"}, None, viewer, context)
        answered = orjson.loads(found.body)
        if "errors" in answered:
            status = 503 if found.code == Unavailable.code else 500
            return _page(desk, "gone.html", "Not now", status, said="This ticket can't be shown now. Try again.")
        ticket = answered["data"]["ticket"]
        if ticket is None:
            return _page(desk, "gone.html", "Not here", 404, said="There is no such ticket any more.")
        told = DONE.get(request.query_params.get("done", ""))
        facts = {"ticket": ticket, "statuses": STATUSES, "form": form, "problem": problem, "key": key, "told": told}
        facts["ratable"] = _ratable(ticket)
        return _page(desk, "ticket.html", f"#{ticket['number']}", 200 if problem is None else 422, **facts)

    return answer


def _form(body: bytes) -> dict[str, str]:
    """What was filled in; nothing of a form with more fields than ours has."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


def _deed(form: dict[str, str]) -> str:
    asked = form.get("do", "")
    return asked if asked in DEEDS else "comment"


async def _done(engine: Engine, context: Context, ticket_id: UUID, form: dict[str, str]) -> str | None:
    """Does what a form is for, once for each key; gives what stands in its way, in words."""
    name, fields = DEEDS[_deed(form)]
    asked: dict[str, Any] = {"ticketId": f"tkt_{ticket_id}"}
    values = {**form, "idempotencyKey": form["key"], "body": form.get("body", ""), "reason": form.get("reason", "")}
    asked |= {field: values[field] for field in fields if field in values}
    if "rating" in asked:
        asked["rating"] = RATINGS.get(asked["rating"])
    kind = f"{name[0].upper()}{name[1:]}"
    answer = "__typename ... on Refusal { message }"
    text = f"mutation Answer($input: {kind}Input!) {{ {name}(input: $input) {{ {answer} }} }}"
    found = orjson.loads((await engine.query(text, {"input": asked}, None, context.viewer, context)).body)
    if "errors" in found:
        return "This could not be sent. Try again."
    done = found["data"][name]
    return None if done["__typename"] == f"{kind}Success" else done["message"]


def _ratable(ticket: dict[str, Any]) -> bool:
    """Whether how the ticket was closed can still be rated."""
    if ticket["resolution"] is None or ticket["status"] != "CLOSED" or ticket["resolution"]["state"] == "REJECTED":
        return False
    return now() < dt.datetime.fromisoformat(ticket["closedAt"]) + AFTER_CLOSING


def _sign_in(desk: Desk) -> Endpoint:
    async def answer(request: Request) -> Response:
        if request.method != "POST":
            return _page(desk, "sign_in.html", "Sign in", state="ask")
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            # Else a page of elsewhere could sign its visitors in as somebody whose link it has.
            return _page(desk, "gone.html", "Not from here", 403, said="Open the link from the email itself.")
        network = request.client.host if request.client else ""
        try:
            with acting("signInWithLink", None, network):
                try:
                    opened = await sessions.sign_in_with_link(desk, network, token=request.path_params["token"])
                except refusals.WrongCredentials as refusal:
                    await audit.refused(desk, refusal)
                    raise
        except refusals.WrongCredentials:
            return _page(desk, "sign_in.html", "This link is of no use any more", 410, state="over")
        except refusals.RateLimited as refusal:
            return _page(desk, "gone.html", "Too many attempts", 429, said=refusal.message)
        except Unavailable as error:
            return _page(desk, "gone.html", "Not now", 503, said=str(error))
        response = _page(desk, "sign_in.html", "Signed in", state="done")
        response.set_cookie(
            COOKIE,
            opened.refresh_token,
            expires=opened.refresh_token_expires_at,
            path="/graphql",
            secure=desk.settings.public_url.startswith("https:"),
            httponly=True,
            samesite="strict",
        )
        return response

    return answer


_UNSUBSCRIBE = {
    "of_these": marked("You will get no more emails like the one that led here."),
    "no_more_of_these": marked("No more of these"),
    "of_all": marked("Or none at all, but those that a ticket needs of you."),
    "no_more_at_all": marked("No more at all"),
}
_ALL_OFF = marked("You will get no more emails about tickets, but those that a ticket needs of you.")
_KIND_OFF = marked("You will get no more emails like that one. It can be turned on again in {desk_name}.")


def _unsubscribing(desk: Desk, w: Wording, *, asking: bool = False, done: str = "") -> Response:
    name = desk.settings.desk_name
    facts: dict[str, Any] = {key: w.said(text) for key, text in _UNSUBSCRIBE.items()} | {
        "done": w.said(done, desk_name=name)
    }
    title = w.said(marked("No more emails"))
    return _page(desk, "unsubscribe.html", title, language=w.tag, asking=asking, **facts)


def _unsubscribe(desk: Desk) -> Endpoint:
    """Turns off emails of one kind, or all that can be turned off. A mail program's own POST is one click, RFC 8058."""
    bodies = Bodies(MOST_BYTES)

    async def answer(request: Request) -> Response:
        found = messages.unsubscriber(desk.signer, request.path_params["token"])
        if found is None:
            said = "This link is not right, or too old."
            return _page(desk, "gone.html", "No such page", 404, said=said)
        person_id, kind = found
        try:
            async with desk.writes.begin() as unit:
                w = await people.wording(unit, person_id)
            if request.method != "POST":
                return _unsubscribing(desk, w, asking=True)
            form = _form(await bodies.read(dict(request.scope["headers"]), request.receive))
            async with desk.writes.begin() as unit:
                await preferences.turn_off_mail(unit, person_id, None if "all" in form else kind)
        except Wrong as wrong:
            return _page(desk, "gone.html", "Not like this", wrong.status, said=TOO_LONG)
        except Unavailable as error:
            return _page(desk, "gone.html", "Not now", 503, said=str(error))
        return _unsubscribing(desk, w, done=_ALL_OFF if "all" in form else _KIND_OFF)

    return answer
