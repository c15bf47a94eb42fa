"""A ticket's page: whoever has the link from an email reads, answers, confirms and rates without an account."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from domain import links, resolutions
from domain.access import Viewer
from domain.drafting import NOT_ADDED
from domain.wording import DESK, Wording, marked
from infra.desk import Desk
from infra.ids import new_id
from infra.postgres import Unavailable
from planner.engine import Engine
from planner.errors import BadRequest
from schema.context import Context
from web.rendering import (
    HEADERS,
    MOST_BYTES,
    NO_SUCH_PAGE,
    NOT_LIKE_THIS,
    NOT_NOW,
    TOO_LONG,
    filled_in,
    gone,
    page,
    wording_of,
)
from web.requests import Bodies, Endpoint, Wrong

Event = dict[str, Any]

STATUSES = {
    "OPEN": marked("Waiting for us"),
    "PENDING": marked("Waiting for you"),
    "ON_HOLD": marked("On hold"),
    "RESOLVED": marked("Solved"),
    "CLOSED": marked("Closed"),
}
TICKET = """query TicketPage($id: ID!) { viewer { person { locale timeZone } } ticket(id: $id) {
  number subject status bodyHtml createdAt updatedAt viewerCan
  resolution { summaryHtml resolvedAt resolvedBy { name } state confirmBy rating feedback }
  category { name } triage { topic } department { name } assignee { name }
  attachments(first: 100) { nodes { id filename sizeBytes comment { id } } }
  comments(last: 100) { pageInfo { hasPreviousPage }
    nodes { bodyHtml createdAt author { name } attachments { id filename sizeBytes } } }
  events(last: 50) { nodes {
    __typename at actor { name }
    ... on TicketRouted { toDepartment { name } }
    ... on TicketAssigned { toAssignee { name } }
    ... on StatusChanged { toStatus }
    ... on CategoryChanged { toCategory { name } }
    ... on RequesterChanged { toRequester { name } }
    ... on TicketMerged { tookIn }
    ... on TicketClosed { expired } } } } }"""
FILE = "query TicketFile($id: ID!) { node(id: $id) { ... on Attachment { url } } }"
# What the forms of the page do, by the value of their button: the mutation, and what of the form it is given.
DEEDS = {
    "comment": ("addComment", ("body", "idempotencyKey")),
    "confirm": ("confirmResolution", ("rating", "feedback", "idempotencyKey")),
    "reopen": ("reopenTicket", ("reason", "idempotencyKey")),
    "withdraw": ("closeTicket", ()),
}
DONE = {
    "comment": marked("Your answer is there."),
    "confirm": marked("Thank you. You have confirmed that this is solved."),
    "reopen": marked("Thank you. This ticket is open again, and we look after it."),
    "withdraw": marked("You have withdrawn this ticket. It is closed."),
}
RATINGS = {str(number): number for number in range(1, 6)}
NOT_SHOWN = marked("This ticket can't be shown now. Try again.")
NOT_FETCHED = marked("This file can't be fetched now. Try again.")
WRONG_TICKET = marked("This link is not right, or too old. Take the one of our newest email about the ticket.")
NOT_HERE = marked("Not here")
NOT_SENT = marked("This could not be sent. Try again.")
NOT_POSSIBLE = marked("This is not possible any more. The ticket is shown as it is now.")
# What is refused is told in English; in other languages its kind is.
IN_SHORT = {"InvalidInput": marked("This is empty, or too long."), "RateLimited": NOT_SENT, None: NOT_SENT}

# What is told of each event, with the names of whom and what it is about.
TOLD: dict[str, Callable[[Event], str]] = {
    "TicketSubmitted": lambda _: marked("Submitted by {actor}"),
    "TicketRouted": lambda _: marked("Went to {department}"),
    "TicketAssigned": lambda event: marked("Taken on by {assignee}") if event["toAssignee"] else marked("Put back"),
    "CommentAdded": lambda _: marked("{actor} wrote"),
    "CommentEdited": lambda _: marked("{actor} changed a comment"),
    "CommentDeleted": lambda _: marked("{actor} took back a comment or a file"),
    "StatusChanged": lambda event: STATUSES[event["toStatus"]],
    "PriorityChanged": lambda _: marked("The priority changed"),
    "CategoryChanged": lambda _: marked("Belongs to {category} now"),
    "SubjectChanged": lambda _: marked("The subject changed"),
    "ServiceChanged": lambda _: marked("The service concerned changed"),
    "RequesterChanged": lambda _: marked("Handed over to {requester}"),
    "WatchersChanged": lambda _: marked("Others began or ceased to follow it"),
    "TicketMerged": lambda event: marked("Took in another" if event["tookIn"] else "Went into another"),
    "TicketEscalated": lambda _: marked("Escalated"),
    "EscalationAcknowledged": lambda _: marked("{actor} sees to it"),
    "EscalationEnded": lambda _: marked("No longer escalated"),
    "TicketResolved": lambda _: marked("Solved by {actor}"),
    "ResolutionConfirmed": lambda event: (
        marked("{actor} rated the help") if event["afterwards"] else marked("{actor} confirmed that it is solved")
    ),
    "TicketReopened": lambda _: marked("Opened again"),
    "TicketClosed": lambda event: marked("Closed, since nobody answered") if event["expired"] else marked("Closed"),
}  # fmt: skip
NAMED = {
    "actor": "actor", "department": "toDepartment", "assignee": "toAssignee", "category": "toCategory",
    "requester": "toRequester",
}  # fmt: skip


class Problem(NamedTuple):
    """What stands in the way of what was asked, and the field of the form where it lies, if it does."""

    text: str
    field: str | None = None


def endpoint(desk: Desk, engine: Engine) -> Endpoint:
    """Shows the ticket of a link, and does what its forms ask for."""
    bodies = Bodies(MOST_BYTES)

    async def answer(request: Request) -> Response:
        w = wording_of(request)
        viewer = await _reader(desk, w, request.path_params["token"])
        if isinstance(viewer, Response):
            return viewer
        context = Context(desk, engine, viewer)
        # What a link in an email has chosen stands in the form, and counts when that is sent.
        form = {name: value for name, value in request.query_params.items() if name == "rating" and value in RATINGS}
        file = request.query_params.get("file") if request.method != "POST" else None
        refused, key = None, str(new_id())
        if request.method == "POST":
            try:
                form = await filled_in(request, bodies)
            except Wrong as wrong:
                return gone(desk, w, wrong.status, NOT_LIKE_THIS, TOO_LONG)
            key = form.get("key") or key
            refused = await _done(engine, context, form | {"key": key})
            if refused is None:
                return RedirectResponse(f"?done={_deed(form)}#done", 303, HEADERS)  # from where people see this page
        found = await (_file(desk, engine, context, w, file) if file else _found(desk, engine, context, w))
        if isinstance(found, Response):
            return found
        ticket, reader, article = found
        w = Wording(reader["locale"], reader["timeZone"])
        if ticket is None:
            return gone(desk, w, 404, NOT_HERE, marked("There is no such ticket any more."))
        problem = _as_it_stands(refused, form, ticket, w)
        told = DONE.get(request.query_params.get("done", "")) if request.method != "POST" else None

        def told_of(event: Event) -> str:
            names = {
                name: (event.get(field) or {}).get("name", desk.settings.desk_name) for name, field in NAMED.items()
            }
            return w.said(TOLD[event["__typename"]](event), **names)

        return page(
            *(desk, w, "ticket.html", f"#{ticket['number']}", 200 if problem is None else 422),
            ticket=ticket,
            article=article,
            standing=w.said(STATUSES[ticket["status"]]),
            told_of=told_of,
            told=told and w.said(told),
            form=form,
            problem=problem,
            key=key,
            ratable="CONFIRM" in ticket["viewerCan"],
            events=_history(ticket["events"]["nodes"]),
            went_on=any(event.get("tookIn") is False for event in ticket["events"]["nodes"]),
        )

    return answer


async def _reader(desk: Desk, w: Wording, token: str) -> Viewer | Response:
    """Whoever reads the ticket of a link, or the page that says that it is none."""
    try:
        reader = await links.reader_of(desk, token)
    except Unavailable:
        return gone(desk, w, 503, NOT_NOW, NOT_SHOWN)
    return reader or gone(desk, w, 404, NO_SUCH_PAGE, WRONG_TICKET)


async def _found(
    desk: Desk, engine: Engine, context: Context, w: Wording
) -> tuple[dict[str, Any], dict[str, Any], Any] | Response:
    """The ticket, its reader, and the article that answers it; or the page that says that they can't be shown."""
    ticket_id = context.viewer.ticket_id
    answer = await engine.query(TICKET, {"id": f"tkt_{ticket_id}"}, None, context.viewer, context)
    found = orjson.loads(answer.body)
    if "errors" in found:
        return gone(desk, w, 503 if answer.code == Unavailable.code else 500, NOT_NOW, NOT_SHOWN)
    ticket, article = found["data"]["ticket"], None
    if ticket and ticket["resolution"]:
        try:
            article = next(iter(await desk.read(resolutions.article, context.viewer, ticket_id)), None)
        except Unavailable:
            return gone(desk, w, 503, NOT_NOW, NOT_SHOWN)
    return ticket, found["data"]["viewer"]["person"], article


async def _file(desk: Desk, engine: Engine, context: Context, w: Wording, file_id: str) -> Response:
    """Leads to a file of the ticket. The link to its bytes lasts for minutes, and this page stays open for longer."""
    answer = await engine.query(FILE, {"id": file_id}, None, context.viewer, context)
    found = orjson.loads(answer.body)
    wrong = {error["extensions"]["code"] for error in found.get("errors", ())} - {BadRequest.code}  # of what is no id
    if wrong:
        return gone(desk, w, 503 if Unavailable.code in wrong else 500, NOT_NOW, NOT_FETCHED)
    file = (found.get("data") or {}).get("node")
    if not file:
        return gone(desk, w, 404, NOT_HERE, marked("There is no such file any more."))
    return RedirectResponse(file["url"], 303, HEADERS)


def _deed(form: dict[str, str]) -> str:
    asked = form.get("do", "")
    return asked if asked in DEEDS else "comment"


async def _done(engine: Engine, context: Context, form: dict[str, str]) -> dict[str, Any] | None:
    """Does what a form is for, once for each key; gives the refusal, whose name is None when there is no answer."""
    name, fields = DEEDS[_deed(form)]
    asked: dict[str, Any] = {"ticketId": f"tkt_{context.viewer.ticket_id}"}
    values = {**form, "idempotencyKey": form["key"], "body": form.get("body", ""), "reason": form.get("reason", "")}
    asked |= {field: values[field] for field in fields if field in values}
    if "rating" in asked:
        asked["rating"] = RATINGS.get(asked["rating"])
    kind = f"{name[0].upper()}{name[1:]}"
    answer = "__typename ... on Refusal { message } ... on InvalidInput { field }"
    text = f"mutation Answer($input: {kind}Input!) {{ {name}(input: $input) {{ {answer} }} }}"
    found = orjson.loads((await engine.query(text, {"input": asked}, None, context.viewer, context)).body)
    if "errors" in found:
        return {"__typename": None, "message": NOT_SENT}
    done: dict[str, Any] = found["data"][name]
    return None if done["__typename"] == f"{kind}Success" else done


def _as_it_stands(
    refused: dict[str, Any] | None, form: dict[str, str], ticket: dict[str, Any], w: Wording
) -> Problem | None:
    """The refusal in its reader's words; none for who wanted to close what has been closed meanwhile."""
    if refused is None:
        return None
    if ticket["status"] == "CLOSED" and _deed(form) != "confirm":
        return None if _deed(form) == "withdraw" else Problem(w.said(NOT_ADDED))
    text = refused["message"]
    if w.locale.language != DESK:
        text = w.said(IN_SHORT.get(refused["__typename"], NOT_POSSIBLE))
    return Problem(text, refused.get("field"))


def _history(events: list[Event]) -> list[Event]:
    """What is told of what happened: an escalation that went on at a higher level has not ended, and who rates what is
    closed does not confirm it once more.
    """
    told, closed = [], False
    for event, following in itertools.zip_longest(events, events[1:]):
        kind = event["__typename"]
        if kind == "EscalationEnded" and following and following["__typename"] == "TicketEscalated":
            continue
        told.append(event | {"afterwards": closed})
        closed = kind == "TicketClosed" or (closed and kind != "TicketReopened")
    return told
