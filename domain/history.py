"""The history of a ticket: the one place that records an event and tells those who watch the ticket."""

import datetime as dt
import enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from domain import access
from domain.access import Viewer
from domain.happenings import CommentAdded, Happening, RequesterChanged, TicketAssigned, TicketRouted, WatchersChanged
from domain.jobs import Announce, Count
from infra.unit import Unit
from models import Event, EventText, Person, Role, Ticket

CHANNEL = "ticket"  # with the ticket's id behind a colon: where its changes are told
DEPARTMENT = "department"  # likewise with a department's id: that something happened to a ticket of it
DEPARTMENTS = "departments"  # that something happened to any
PERSON = "tickets"  # with a person's id: that something happened to a ticket which they request, have or watch

MOST_NAMED = 50  # people in one event

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, ticket: Any) -> Select[Event]:
    """The events of a ticket that the viewer sees; of what is internal only those who work on the ticket."""
    seen = access.unless_internal(viewer, ticket, Event.public_seq.is_not(None))
    return select(Event).where(Event.ticket_id == ticket.id, seen)


def of_one(viewer: Viewer, ticket_id: Any) -> Select[Event]:
    """The same of the ticket with this id, which the viewer may know of."""
    ticket = aliased(Ticket)
    return visible(viewer, ticket).join(ticket, ticket.id == Event.ticket_id).where(ticket.id == ticket_id)


def seq(viewer: Viewer, event: Any) -> Any:
    """The event's place as the viewer's side counts."""
    return _for_side_of(viewer, event, event.seq, event.public_seq)


def side(viewer: Viewer, event: Any) -> Any:
    """Whether the viewer works on the event's ticket, by which it is counted; None where their role decides."""
    works, watches = sa.true(), sa.false()
    found = _for_side_of(viewer, event, works, watches)
    return None if found is works or found is watches else found


def last_seq(viewer: Viewer, ticket: Any) -> Any:
    """The place of the last event that the viewer's side sees."""
    return access.for_side(viewer, ticket, ticket.last_seq, ticket.public_seq)


def updated_at(viewer: Viewer, ticket: Any) -> Any:
    """When something last changed that the viewer's side sees."""
    return access.for_side(viewer, ticket, ticket.updated_at, ticket.public_updated_at)


def _for_side_of(viewer: Viewer, event: Any, staff: Any, customers: Any) -> Any:
    """What the viewer's side has of an event; the ticket is looked at only where the role does not decide."""
    side = access.for_side(viewer, Ticket, staff, customers)
    if side is staff or side is customers:
        return side
    return select(side).where(Ticket.id == event.ticket_id).scalar_subquery()


def words_of(event: Any, name: str) -> Any:
    """What somebody wrote, as the event found it; NULL when nothing was said, blank once it was erased."""
    return select(EventText.text).where(EventText.event_id == event.id, EventText.name == name).scalar_subquery()


def text_of(event: Any, name: str) -> Any:
    """What somebody wrote where something always is."""
    return sa.func.coalesce(words_of(event, name), "")


def reason_of(viewer: Viewer, event: Any, name: str = "reason") -> Any:
    """Why something was done, for whoever works on the ticket."""
    return _for_side_of(viewer, event, words_of(event, name), sa.null())


def id_in(event: Any, name: str) -> Any:
    """The id that the event names."""
    return sa.cast(event.data[name].astext, sa.Uuid())


def words_in(event: Any, name: str) -> Any:
    """A list of words that the event tells, as an array; empty where it tells none."""
    words = sa.func.jsonb_array_elements_text(event.data[name]).column_valued("word")
    return sa.func.array(select(words).scalar_subquery(), type_=ARRAY(sa.Text()))


def people_in(viewer: Viewer, event: Any, name: str) -> Select[Person]:
    """The people that the event names, as the viewer's side knows them: to customers, staff do not watch."""
    named = sa.func.jsonb_array_elements_text(event.data[name]).column_valued("named")
    rows = select(Person).where(Person.id.in_(select(sa.cast(named, sa.Uuid()))))
    staff = _for_side_of(viewer, event, sa.true(), Person.role == Role.CUSTOMER)
    return rows.where(staff).order_by(Person.name, Person.id).limit(MOST_NAMED)


def tags_of(viewer: Viewer, event: Any) -> Any:
    """The ticket's tags as the event found them; none for customers."""
    if not viewer.is_staff:
        return []
    return _for_side_of(viewer, event, words_in(event, "initial_tags"), sa.literal_column("'{}'::text[]"))


# --- Writing ----------------------------------------------------------------------------------------------------------


def record(
    unit: Unit, actor_id: UUID | None, ticket: Ticket, happened: Happening, *, internal: bool | None = None
) -> Event:
    """Add the event to the ticket's history, count it on both sides, and have it told to those whom it concerns.

    The ticket is locked or new, which is what keeps both counts without a gap. `actor_id` None: Deskwire itself.
    `internal`: whether only those see it who work on the ticket; None: as its kind says.
    """
    fields: tuple[str, ...] = happened.__match_args__  # as a dataclass has them
    public = not (happened.internal if internal is None else internal)
    event = unit.insert(
        Event,
        ticket_id=ticket.id,
        seq=ticket.last_seq + 1,
        public_seq=ticket.public_seq + 1 if public else None,
        kind=type(happened).__name__,
        actor_id=actor_id,
        at=unit.now,
        data={name: _plain(getattr(happened, name)) for name in fields if name not in happened.texts},
    )
    for name in happened.texts:
        if (said := getattr(happened, name)) is not None:
            unit.insert(EventText, event_id=event.id, name=name, text=said)
    unit.change(ticket, last_seq=ticket.last_seq + 1, updated_at=unit.now)
    if public:
        unit.change(ticket, public_seq=ticket.public_seq + 1, public_updated_at=unit.now)
    if happened.wakes:
        unit.change(ticket, timer_at=unit.now)
    if happened.announced:
        unit.gather(Announce, event.id)
    if happened.counted and not (
        isinstance(happened, CommentAdded) and (not public or actor_id == ticket.requester_id)
    ):
        unit.gather(Count, ticket.id)
    tell(unit, ticket)
    if isinstance(happened, TicketRouted):
        tell_departments(unit, happened.from_department_id, ticket_id=ticket.id)
    for person_id in _seeing(ticket, happened):
        unit.publish(f"{PERSON}:{person_id}", str(ticket.id))
    return event


def tell(unit: Unit, ticket: Ticket) -> None:
    """Tell those who watch the ticket, or its department, that it has changed."""
    unit.publish(channel(ticket.id), str(ticket.id))
    tell_departments(unit, ticket.department_id, ticket_id=ticket.id)


def tell_departments(unit: Unit, *department_ids: UUID | None, ticket_id: UUID | None = None) -> None:
    """Tell those who watch these departments that what waits in them may have changed. `ticket_id`: what did."""
    message = "" if ticket_id is None else str(ticket_id)
    for department_id in department_ids:
        if department_id is not None:
            unit.publish(f"{DEPARTMENT}:{department_id}", message)
    unit.publish(DEPARTMENTS, message)


def _seeing(ticket: Ticket, happened: Happening) -> set[UUID]:
    """People who see the ticket for what they are to it, or did until now, beside those who watched it all along."""
    people: set[UUID | None] = {ticket.requester_id, ticket.assignee_id}
    match happened:
        case TicketAssigned(from_assignee_id=left):
            people.add(left)
        case RequesterChanged(from_requester_id=left):
            people.add(left)
        case WatchersChanged(added_watcher_ids=added, removed_watcher_ids=removed):
            people |= {*added, *removed}
    return {person_id for person_id in people if person_id is not None}


def channel(ticket_id: Any) -> str:
    """Where changes of the ticket are told."""
    return f"{CHANNEL}:{ticket_id}"


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
