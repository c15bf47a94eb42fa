"""A schema for the planner's tests, with one field at least for everything that a build may do."""

# ruff: noqa: ARG004, FBT001, FBT002 - as in schema/: a build takes the viewer whether it asks or not

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

import planner_records as models
import sqlalchemy as sa
import strawberry
from planner_records import Status
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import array
from strawberry.tools import create_type

from planner.errors import Refused
from planner.fields import (
    CONFIG,
    Classified,
    Computed,
    Later,
    Payload,
    When,
    argument,
    attribute,
    computed,
    input_field,
    payload,
    planned,
)
from planner.live import Live, Told, feed, live, subscription
from planner.nodes import IdOf, Node, NodeId, NodeIds, OneOf, parse_id, stored
from planner.pages import Connection, Edge, PageArguments
from planner.scalars import JSON, URL, Date, DateTime, LocalTime


class Role(enum.Enum):
    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"


@dataclass(frozen=True)
class Viewer:
    role: Role | None
    id: UUID | None
    ticket_id: UUID | None = None
    bindable: ClassVar[tuple[str, ...]] = ("id", "ticket_id")


class NotAllowed(Refused):
    """A refusal like the planner's own."""

    code = "NOT_ALLOWED"


class Forbidden(Exception):
    """A refusal of another room."""

    code = "NOT_ALLOWED"


# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(model: Any, viewer: Viewer) -> sa.Select[Any]:
    rows = select(model)
    if viewer.role is Role.AGENT or model is models.Person:
        return rows
    if viewer.id is None:
        return rows.where(sa.false())
    if model is models.Ticket:
        mine = model.requester_id == viewer.id
        return rows.where(mine if viewer.ticket_id is None else sa.or_(mine, model.id == viewer.ticket_id))
    mine = select(models.Ticket.id).where(models.Ticket.requester_id == viewer.id)
    return rows.where(~model.internal, model.ticket_id.in_(mine))


def on_ticket(model: Any, ticket: Any, viewer: Viewer) -> sa.Select[Any]:
    rows = select(model).where(model.ticket_id == ticket.id)
    return rows if viewer.role is Role.AGENT else rows.where(~model.internal)


def one(viewer: Viewer, key: Any) -> sa.Select[Any]:
    return visible(models.Ticket, viewer).where(models.Ticket.id == key)


def comment(viewer: Viewer, key: Any) -> sa.Select[Any]:
    return visible(models.Comment, viewer).where(models.Comment.id == key)


def anything(viewer: Viewer, id: NodeId) -> sa.Select[Any] | None:
    model: Any = id.model
    return visible(model, viewer).where(model.id == id.key) if model else None


# --- Types ------------------------------------------------------------------------------------------------------------

TicketStatus = strawberry.enum(Status, name="TicketStatus", description="A ticket's state.")


@strawberry.enum(description="What tickets can be ordered by.")
class OrderField(enum.Enum):
    UPDATED = "UPDATED"
    DUE = "DUE"
    SUBJECT = "SUBJECT"
    MIXED = "MIXED"
    SCORE = "SCORE"


@stored(models.Person, "ppe")
@strawberry.type(description="Someone.")
class Person(Node):
    name: str = attribute("Full name.")
    website: URL | None = attribute("Their own.")

    @planned("Customers see their own alone.")
    def email(person: models.Person, viewer: Viewer) -> str | None:
        return person.email if viewer.role is Role.AGENT else sa.case((person.id == viewer.id, person.email))

    @planned("When they were here.")
    def presence(person: models.Person, viewer: Viewer) -> Presence | None:
        return When(person.seen_at.is_not(None), person) if viewer.role is Role.AGENT else None

    @planned("What they asked.")
    def tickets(person: models.Person, viewer: Viewer, page: PageArguments) -> Connection[Ticket]:
        rows = visible(models.Ticket, viewer).where(models.Ticket.requester_id == person.id)
        return page.of(rows, order=[models.Ticket.number])


@stored(models.Person, "pps", node=False)
@strawberry.type(description="A person's presence: reads the same row.")
class Presence:
    id: strawberry.ID = attribute("Not a Node's.")
    since: DateTime = attribute("Since when.", column="seen_at")

    @planned("Their number of tickets.")
    def ticket_count(person: models.Person, viewer: Viewer) -> int:
        counted = select(func.count()).where(models.Ticket.requester_id == person.id)
        return counted.scalar_subquery()


class Rest(NamedTuple):
    """What stands in a word beside its text."""

    letters: list[str]


class WordFound(NamedTuple):
    """A word as Python finds it."""

    text: str
    length: int
    status: Status
    rest: Rest | None


def words_in(_given: Any, body: str, most: int) -> list[WordFound]:
    statuses = list(Status)
    return [
        WordFound(word, len(word), statuses[len(word) % len(statuses)], Rest(list(word)) if len(word) > 4 else None)
        for word in body.split()[:most]
    ]


@strawberry.type(description="Its letters.")
class Letters:
    letters: list[str] = attribute("One by one.")


@strawberry.type(description="A word, of which no table knows.")
class Word:
    text: str = attribute("As it is written.")
    size: int = attribute("How long it is.", name="length", column="length")
    status: Status = attribute("As its length says.")
    rest: Letters | None = attribute("Of a long one.")


@stored(models.Comment, "pco")
@strawberry.type(description="A comment.")
class Comment(Node):
    body: str = attribute("Text.")
    author: Person = attribute("Who.")
    ticket: Ticket = attribute("Where.")

    @computed("Where to fetch it.")
    def link(comment: models.Comment, viewer: Viewer) -> URL:
        return Computed(lambda host, key, body: f'https://{host}/{key}?{len(body)}&"', comment.id, comment.body)

    @computed("What Python is given.")
    def seen(comment: models.Comment, viewer: Viewer) -> str | None:
        values = (comment.internal, func.length(comment.body), sa.null(), sa.cast(2.5, sa.Float), comment.author_id)
        return Computed(lambda _, *values: repr(values) if values[0] else None, *values)

    @computed("Its first words.", most=5)
    def words(
        comment: models.Comment, viewer: Viewer, first: Annotated[int, argument("How many.", least=1, most=5)] = 2
    ) -> list[Word]:
        return Computed(words_in, comment.body, first)

    @computed("Its longest word, if it has any.")
    def longest(comment: models.Comment, viewer: Viewer) -> Word | None:
        return Computed(lambda _, body: max(words_in(_, body, 100), key=lambda word: word.length), comment.body)

    @computed("Never there, and must be.")
    def lost(comment: models.Comment, viewer: Viewer) -> str:
        return Computed(lambda *_: None)


@strawberry.interface(description="What happened.")
class TicketEvent(Node):
    seq: int = attribute("Place.")


@stored(models.Event, "pev", kind="submitted")
@strawberry.type(description="It came in.")
class TicketSubmitted(TicketEvent):
    pass


@stored(models.Event, "pev", kind="comment_added")
@strawberry.type(description="Someone spoke.")
class CommentAdded(TicketEvent):
    comment: Comment = attribute("What.")


@stored(models.Event, "pev", kind="status_changed")
@strawberry.type(description="It moved.")
class StatusChanged(TicketEvent):
    status: TicketStatus = attribute("Where to.")


Latest = Annotated[Comment | StatusChanged, strawberry.union("Latest", description="The last of two kinds.")]


@stored(models.Ticket, "ptk")
@strawberry.type(description="A ticket.")
class Ticket(Node):
    number: int = attribute("Counts up.")
    subject: str = attribute("Subject.")
    status: TicketStatus = attribute("State.")
    tags: list[str] = attribute("Words.")
    score: float = attribute("How good.")
    urgent: bool = attribute("Whether urgent.")
    form: JSON = attribute("As sent.")
    day: Date = attribute("A day.")
    opens: LocalTime = attribute("A time.")
    updated_at: DateTime = attribute("Last change.")
    due_at: dt.datetime | None = attribute("When due.")
    requester: Person = attribute("Who asked.")
    assignee: Person | None = attribute("Who works.")
    checked_by: Person | None = attribute("Who looks.", column="reviewer")

    @planned("Comments, last first.")
    def comments(ticket: models.Ticket, viewer: Viewer, page: PageArguments) -> Connection[Comment]:
        return page.of(on_ticket(models.Comment, ticket, viewer), order=[models.Comment.id.desc()])

    @planned("History.")
    def events(ticket: models.Ticket, viewer: Viewer) -> list[TicketEvent]:
        return on_ticket(models.Event, ticket, viewer).order_by(models.Event.seq)

    @planned("The last comment, or when there is none the change of status.")
    def latest(ticket: models.Ticket, viewer: Viewer) -> Latest | None:
        last = on_ticket(models.Comment, ticket, viewer).order_by(models.Comment.id.desc()).limit(1)
        changes = on_ticket(models.Event, ticket, viewer).where(models.Event.kind == "status_changed")
        return OneOf({models.Comment: last, models.Event: changes})

    @planned("People who wrote, by way of a sub-select that speaks of the ticket two levels down.")
    def authors(ticket: models.Ticket, viewer: Viewer) -> list[Person]:
        wrote = select(models.Comment.author_id).where(models.Comment.ticket_id == ticket.id)
        return select(models.Person).where(models.Person.id.in_(wrote)).order_by(models.Person.name)

    @planned("Names of them.")
    def author_names(ticket: models.Ticket, viewer: Viewer) -> list[str]:
        wrote = select(models.Comment.author_id).where(models.Comment.ticket_id == ticket.id)
        return select(models.Person.name).where(models.Person.id.in_(wrote)).order_by(models.Person.name)

    @planned("Moments of its events, as an array.")
    def moments(ticket: models.Ticket, viewer: Viewer) -> list[DateTime]:
        return array([ticket.updated_at])

    @planned("What the viewer may do.")
    def can(ticket: models.Ticket, viewer: Viewer) -> list[TicketStatus]:
        return [Status.OPEN, Status.SOLVED] if viewer.role is Role.AGENT else []

    @planned("Whether it's the viewer's.")
    def mine(ticket: models.Ticket, viewer: Viewer) -> bool:
        return False if viewer.id is None else ticket.requester_id == viewer.id

    @planned("The requester's id.")
    def requester_id(ticket: models.Ticket, viewer: Viewer) -> strawberry.ID:
        return IdOf(models.Person, ticket.requester_id)

    @planned("Those of its status, read once it is known.")
    def alike(ticket: models.Ticket, viewer: Viewer, page: PageArguments) -> Connection[Ticket]:
        return Later("tickets", filter=func.jsonb_build_object("statuses", array([ticket.status])))

    @planned("Is NULL, and mustn't be.")
    def hole(ticket: models.Ticket, viewer: Viewer) -> str:
        return sa.case((ticket.number < 0, "never"))


@strawberry.type(description="Counts, out of labelled columns.")
class StatusCount:
    status: TicketStatus = attribute("Which.")
    count: int = attribute("How many.")

    @planned("One of them.")
    def first(row: Any, viewer: Viewer) -> Ticket | None:
        return visible(models.Ticket, viewer).where(models.Ticket.number == row.lowest)


@dataclass
class QueueFacts:
    name: str
    open_count: Any
    limits: list[LimitFacts]
    until: dt.datetime | None = None


@dataclass
class LimitFacts:
    status: Status
    most: int


@strawberry.type(description="A limit.")
class Limit:
    status: TicketStatus = attribute("Of what.")
    most: int = attribute("How many.")


@strawberry.type(description="What waits: constants and expressions.")
class Queue:
    name: str = attribute("Its name.")
    open_count: int = attribute("Open ones.")
    limits: list[Limit] = attribute("Limits.")
    until: DateTime | None = attribute("Until when.")

    @planned("The first.")
    def first(queue: QueueFacts, viewer: Viewer) -> Ticket | None:
        return visible(models.Ticket, viewer).order_by(models.Ticket.number).limit(1)


@strawberry.type(description="A ticket in a list.")
class FoundEdge(Edge[Ticket]):
    rank: int = attribute("How well it fits.")

    @planned("Where it was found.")
    def highlight(ticket: models.Ticket, viewer: Viewer) -> str:
        return func.upper(ticket.subject)


@strawberry.type(description="Tickets that were found.")
class FoundConnection(Connection[Ticket]):
    edges: list[FoundEdge] = strawberry.field(description="The edges.")


# --- Queries ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A span of time.")
class TimeRange:
    from_: DateTime | None = input_field("From.", name="from")
    to: DateTime | None = input_field("To.")


@strawberry.input(description="Which tickets.")
class TicketFilter:
    statuses: list[TicketStatus] | None = input_field("In one of these.")
    text: str | None = input_field("Words.", most=40)
    assigned: bool | None = input_field("With an assignee.")
    requester_ids: NodeIds | None = input_field("Of one of these.", most=3)
    assignee_id: NodeId | None = input_field("Of this one; null: of none.")
    numbers: list[int] | None = input_field("With one of these.", most=5)
    tags: list[str] | None = input_field("With one of these.")
    updated: TimeRange | None = input_field("Changed within.")
    day: Date | None = input_field("On this day.")
    opens: LocalTime | None = input_field("At this time.")
    form: JSON | None = input_field("Containing this.")
    any_of: list[TicketFilter] | None = input_field("One of these is enough.")

    def holds(self) -> list[Any]:
        t, found = models.Ticket, []
        given = {name: value for name, value in vars(self).items() if value is not strawberry.UNSET}
        if given.get("statuses"):
            found.append(t.status.in_(self.statuses))
        if (assigned := given.get("assigned")) is not None:
            found.append(t.assignee_id.is_not(None) if assigned else t.assignee_id.is_(None))
        if given.get("assignee_id", ...) is None:
            found.append(t.assignee_id.is_(None))
        if (span := given.get("updated")) is not None:
            found += [] if missing(span.from_) else [t.updated_at >= span.from_]
            found += [] if missing(span.to) else [t.updated_at < span.to]
        conditions = {
            "text": lambda text: func.strpos(func.lower(t.subject), func.lower(text)) > 0,
            "requester_ids": lambda ids: t.requester_id == sa.any_(ids.of(models.Person)),
            "assignee_id": lambda person: t.assignee_id == person.of(models.Person),
            "numbers": lambda numbers: t.number == sa.any_(numbers),
            "tags": t.tags.overlap,
            "day": t.day.__eq__,
            "opens": lambda opens: func.to_char(t.opens, "HH24:MI") == opens,
            "form": t.form.op("@>"),
            "any_of": lambda filters: sa.or_(*(sa.and_(sa.true(), *each.holds()) for each in filters)),
        }
        return found + [holds(given[name]) for name, holds in conditions.items() if given.get(name) is not None]


def missing(value: Any) -> bool:
    return value is None or value is strawberry.UNSET


ORDERS = {
    OrderField.UPDATED: [models.Ticket.updated_at.desc(), models.Ticket.id.desc()],
    OrderField.DUE: [func.coalesce(models.Ticket.due_at, sa.text("'infinity'::timestamptz")), models.Ticket.id],
    OrderField.SUBJECT: [models.Ticket.subject, models.Ticket.urgent, models.Ticket.id],
    OrderField.MIXED: [models.Ticket.status.desc(), models.Ticket.day, models.Ticket.number.desc()],
    OrderField.SCORE: [models.Ticket.score.desc(), models.Ticket.updated_at, models.Ticket.id],
}
TYPES = {OrderField.DUE: [sa.DateTime(timezone=True), None]}


@planned("One object by its id.")
def node(viewer: Viewer, id: Annotated[NodeId, argument("The id.")]) -> Node | None:
    return anything(viewer, id)


@planned("Objects by their ids.")
def nodes(viewer: Viewer, ids: Annotated[NodeIds, argument("The ids.", most=50)]) -> list[Node | None]:
    def by(model: Any) -> Any:
        return lambda key: visible(model, viewer).where(model.id == key)

    return ids.each({model: by(model) for model in (models.Person, models.Ticket, models.Comment, models.Event)})


@planned("One ticket.")
def ticket(viewer: Viewer, id: Annotated[NodeId, argument("The id.")]) -> Ticket | None:
    return one(viewer, id.of(models.Ticket))


@planned("One ticket by its number.")
def ticket_by_number(
    viewer: Viewer, number: Annotated[int, argument("The number.", least=1, most=1_000_000)]
) -> Ticket | None:
    return visible(models.Ticket, viewer).where(models.Ticket.number == number)


@planned("Tickets.")
def tickets(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[TicketFilter | None, argument("Which.")] = None,
    order_by: Annotated[OrderField | None, argument("In which order.")] = None,
    solved_too: Annotated[bool, argument("Also solved ones.")] = True,
) -> Connection[Ticket] | None:
    rows = visible(models.Ticket, viewer).where(*(filter or TicketFilter()).holds())
    rows = rows if solved_too else rows.where(models.Ticket.status != Status.SOLVED)
    by = order_by or OrderField.UPDATED
    return page.of(rows, order=ORDERS[by], types=TYPES.get(by))


@planned("Tickets by number, of which a cursor does not tell.")
def numbered(viewer: Viewer, page: PageArguments) -> Connection[Ticket] | None:
    rows = visible(models.Ticket, viewer)
    opened = rows.where(models.Ticket.status != Status.SOLVED)
    return page.of(opened, order=[models.Ticket.number, models.Ticket.id], among=rows)


@planned("People by name.")
def people(viewer: Viewer, page: PageArguments) -> Connection[Person] | None:
    return page.of(select(models.Person), order=[models.Person.name, models.Person.email])


@planned("Found by words, best first.")
def search(
    viewer: Viewer,
    page: PageArguments,
    text: Annotated[str, argument("A number, or words.", least=1, most=50, plain=lambda text: text.isdigit())],
) -> FoundConnection | None:
    asked: Classified = text
    rank = func.strpos(models.Ticket.subject, asked.value, type_=sa.Integer())
    rows = visible(models.Ticket, viewer).add_columns(rank.label("rank"))
    wanted = models.Ticket.number == sa.cast(asked.value, sa.Integer) if asked.kind else rank > 0
    return page.of(rows.where(wanted), order=[rank, models.Ticket.id])


@planned("Which kind of text it is, here by its length.")
def kind_of(viewer: Viewer, text: Annotated[str, argument("Any.", plain=len)]) -> str | None:
    return f"{text.kind} characters"


@planned("Who asks.")
def me(viewer: Viewer) -> Person | None:
    return None if viewer.id is None else select(models.Person).where(models.Person.id == viewer.id)


@planned("Counts by status.", most=3)
def status_counts(
    viewer: Viewer, first: Annotated[int, argument("How many.", least=1, most=3, plain=True)] = 2
) -> list[StatusCount] | None:
    seen = visible(models.Ticket, viewer).subquery()
    rows = select(seen.c.status, func.count().label("count"), func.min(seen.c.number).label("lowest"))
    return rows.group_by(seen.c.status).order_by(seen.c.status).limit(first)


@planned("What waits.")
def queue(viewer: Viewer) -> Queue | None:
    opened = visible(models.Ticket, viewer).where(models.Ticket.status == Status.OPEN)
    counted = select(func.count()).select_from(opened.subquery()).scalar_subquery()
    return QueueFacts(
        'Today\'s "queue" of $1', counted, [LimitFacts(Status.OPEN, 5), LimitFacts(Status.SOLVED, 7)], models.NOW
    )


@planned("How many tickets.")
def ticket_count(viewer: Viewer) -> int | None:
    return select(func.count()).select_from(visible(models.Ticket, viewer).subquery())


@planned("The newest status.")
def word(viewer: Viewer, say: Annotated[str | None, argument("What.", most=200)] = None) -> str | None:
    return "nothing said" if say is None else say


@planned("For staff.")
def staff(viewer: Viewer) -> list[Person] | None:
    if viewer.role is None:
        raise NotAllowed("Sign in.")
    if viewer.role is not Role.AGENT:
        raise Forbidden("This is for staff.")
    return select(models.Person).order_by(models.Person.name).limit(2)


@planned("Fails in PostgreSQL.")
def broken(viewer: Viewer, by: Annotated[int, argument("Divides.")] = 0) -> int | None:
    return sa.cast(1 / sa.cast(by, sa.Integer), sa.Integer)


@planned("Fails in PostgreSQL for some values.")
def divided(viewer: Viewer, by: Annotated[int, argument("Divides.")]) -> Ticket | None:
    return visible(models.Ticket, viewer).where(models.Ticket.number == 6 // sa.cast(by, sa.Integer))


@planned("Fails in Python.")
def bug(viewer: Viewer) -> int | None:
    return viewer.nonsense  # type: ignore[attr-defined]


@strawberry.field(description="Not planned.")
def shout(self: Any, info: strawberry.Info, word: str) -> str:
    return f"{word.upper()}, {info.context.viewer.role}"


# --- Mutations --------------------------------------------------------------------------------------------------------


@strawberry.interface(description="Why not.")
class Refusal:
    message: str = strawberry.field(description="Words.")


@strawberry.type(description="Stands in the way.")
class Conflict(Refusal):
    current: Payload[Node] | None = payload("What it is now.", anything)


@strawberry.type(description="Done.")
class TouchSuccess:
    ticket: Payload[Ticket] = payload("The ticket.", one)
    last: Payload[Comment] | None = payload("Its last comment.", comment)
    comments: list[Payload[Comment]] = payload("Some comments.", comment)
    maybe: list[Payload[Comment] | None] = payload("The same, with gaps.", comment)
    said: str = strawberry.field(description="Plain.")


TouchResult = Annotated[TouchSuccess | Conflict, strawberry.union("TouchResult", description="What touch answers.")]


@strawberry.mutation(description="Changes nothing, and answers.")
async def touch(
    self: Any, info: strawberry.Info, id: strawberry.ID, comments: list[strawberry.ID], fail: bool = False
) -> TouchResult:
    key = parse_id(id, models.Ticket)
    if fail:
        return Conflict(message="No.", current=(models.Ticket, key))
    keys = [parse_id(each, models.Comment) for each in comments]
    return TouchSuccess(
        ticket=key, last=keys[0] if keys else None, comments=keys, maybe=keys, said=str(info.context.viewer.role)
    )


@strawberry.mutation(description="Many at once.")
async def touch_all(self: Any, ids: list[strawberry.ID]) -> list[TouchResult]:
    keys = [parse_id(each, models.Ticket) for each in ids]
    return [TouchSuccess(ticket=key, last=None, comments=[], maybe=[], said="") for key in keys]


# --- Subscriptions ----------------------------------------------------------------------------------------------------


@subscription("A ticket, now and after each change.")
def ticket_updated(viewer: Viewer, id: Annotated[NodeId, argument("The id.")]) -> Live[Ticket]:
    return live("ticket", id.of(models.Ticket), one(viewer, id.of(models.Ticket)))


@subscription("The same, read once for all who see it.")
def ticket_watched(viewer: Viewer, id: Annotated[NodeId, argument("The id.")]) -> Live[Ticket]:
    return live("ticket", id.of(models.Ticket), one(viewer, id.of(models.Ticket)), common=True)


@subscription("Any of these tickets, when one changes.")
def any_updated(viewer: Viewer, told: Told, ids: Annotated[NodeIds, argument("The ids.")]) -> Live[Ticket]:
    keys = ids.of(models.Ticket)
    return live(
        ("ticket", keys), "desk", ("person", viewer.id), one(viewer, told).where(models.Ticket.id == sa.any_(keys))
    )


@subscription("The queue.")
def queue_updated(viewer: Viewer) -> Live[Queue]:
    if viewer.role is not Role.AGENT:
        raise Forbidden("This is for staff.")
    return live("desk", QueueFacts("live", 1, []))


@subscription("A ticket's history.")
def ticket_events(
    viewer: Viewer,
    ticket_id: Annotated[NodeId, argument("The ticket.")],
    after: Annotated[str | None, argument("Go on after.")] = None,
) -> Live[Edge[TicketEvent]]:
    key = ticket_id.of(models.Ticket)
    rows = visible(models.Event, viewer).where(models.Event.ticket_id == key)
    return feed("ticket", key, rows=rows, order=[models.Event.seq, models.Event.id], after=after, seen=one(viewer, key))


QUERIES = [
    node,
    nodes,
    ticket,
    ticket_by_number,
    tickets,
    numbered,
    people,
    search,
    me,
    status_counts,
    queue,
    ticket_count,
]
QUERIES += [word, kind_of, staff, broken, bug, divided, shout]
SCHEMA = strawberry.Schema(
    create_type("Query", QUERIES, description="Reads."),
    create_type("Mutation", [touch, touch_all], description="Writes."),
    create_type(
        "Subscription",
        [ticket_updated, ticket_watched, any_updated, queue_updated, ticket_events],
        description="Lives.",
    ),
    types=[TicketSubmitted, CommentAdded, StatusChanged],
    config=CONFIG,
)
