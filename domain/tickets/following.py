"""What enters, changes within and leaves a list of tickets, for whoever keeps one on their screen."""

import datetime as dt
import enum
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select

from domain import access, history, tickets
from domain.access import Viewer
from domain.happenings import RequesterChanged, TicketAssigned, TicketRouted, TicketSubmitted, WatchersChanged
from domain.tickets import lists, pages
from domain.tickets.lists import Conditions
from models import Event, Membership, Role, Ticket, Watcher

MOST_HELD = 500  # tickets of a list that are known at first, those changed last
PAUSE_SECONDS = 0.25  # what happens meanwhile is told together
MOST_RECENT = 500  # that are looked at after messages may have been lost, those changed last of each kind
# Who subscribes and fetches at the same time may have read the list so long before we watch it: nothing tells a client
# when that is. What changed since is told, though they may know it.
EARLIER = dt.timedelta(seconds=5)


class TicketChangeKind(enum.Enum):
    """What happened to a list of tickets."""

    ENTERED = enum.auto()
    UPDATED = enum.auto()
    LEFT = enum.auto()


def channels(viewer: Viewer) -> Select[Any]:
    """Where it is told that something happened to a ticket which the viewer sees, or saw until then."""
    access.sign_in_required(viewer)
    if viewer.ticket_id is not None:
        return select((history.CHANNEL + ":" + sa.cast(viewer.ticket_id, sa.Text)).label("name"))
    if viewer.has(Role.DIRECTOR):
        return select(sa.literal(history.DEPARTMENTS).label("name"))
    person = select((history.PERSON + ":" + sa.cast(viewer.id, sa.Text)).label("name"))
    watched = select((history.CHANNEL + ":" + sa.cast(Watcher.ticket_id, sa.Text)).label("name"))
    names = [person, watched.where(Watcher.person_id == viewer.id)]
    if viewer.is_staff:
        department = select((history.DEPARTMENT + ":" + sa.cast(Membership.department_id, sa.Text)).label("name"))
        names.append(department.where(Membership.person_id == viewer.id))
    found = sa.union_all(*names).subquery("channels")
    return select(found.c.name)


def held(viewer: Viewer, page: Any, asked: Conditions) -> Any:
    """A page of the tickets that are in the list now and were so before, each with the `place` of its last event."""
    since, until = asked.updated
    before: Any = sa.func.now() - EARLIER
    asked = replace(asked, updated=(since, before if until is None else sa.func.least(until, before)))
    return pages.of(viewer, page, asked, also=[history.last_seq(viewer, Ticket).label("place")])


def recent(viewer: Viewer, moment: Any) -> Select[Any]:
    """Tickets that the viewer sees and that have changed since."""
    changed = select(Ticket.id).where(Ticket.updated_at >= moment).order_by(Ticket.updated_at.desc()).limit(MOST_RECENT)
    if viewer.has(Role.DIRECTOR):
        return changed
    if viewer.ticket_id is not None:
        return changed.where(Ticket.id == viewer.ticket_id)
    # What others see of a ticket of their own has a moment of its own, which is never later.
    found = [
        changed.where(condition)
        for condition in (Ticket.requester_id == viewer.id, Ticket.id.in_(access.watched_of(viewer)))
    ]
    if viewer.is_staff:
        found += [
            changed.where(Ticket.assignee_id == viewer.id),
            changed.where(Ticket.department_id.in_(access.departments_of(viewer))),
        ]
    rows = sa.union(*(select(part.subquery().c.id) for part in found)).subquery("changed")
    return select(rows.c.id)


def changes(viewer: Viewer, asked: Conditions, told: Any, began: Any) -> Select[Any]:
    """What became of tickets for whoever was `told` of them before, and watches the list since it `began`.

    One that left sight since is named to those alone who saw it until then.
    """
    seen = tickets.visible(viewer).where(Ticket.id == told.c.key)
    listed = lists.listed(viewer, asked).where(Ticket.id == told.c.key)
    here = listed.with_only_columns(history.last_seq(viewer, Ticket).label("place"), maintain_column_froms=True)
    now = here.correlate(told).lateral("now")
    place = now.c.place
    happened, earlier = select(Event.id).where(Event.ticket_id == told.c.key), began - EARLIER
    went = happened.where(Event.at >= began, _of_viewer(viewer, "from", "removed")).exists()
    arrival = sa.or_(Event.kind == TicketSubmitted.__name__, _of_viewer(viewer, "to", "added"))
    came = happened.where(Event.at >= earlier, arrival).exists()
    theirs = seen.join(Event, Event.ticket_id == Ticket.id).where(Event.at >= earlier)
    theirs = theirs.where(access.unless_internal(viewer, Ticket, Event.public_seq.is_not(None)))
    saw = sa.or_(went, sa.and_(theirs.exists(), sa.not_(came)))
    kind = sa.case(
        (sa.and_(place.is_not(None), told.c.place.is_(None)), TicketChangeKind.ENTERED.name),
        (place != told.c.place, TicketChangeKind.UPDATED.name),
        (sa.and_(place.is_(None), told.c.place.is_not(None)), TicketChangeKind.LEFT.name),
        (sa.and_(place.is_(None), sa.not_(told.c.known), saw), TicketChangeKind.LEFT.name),
    )
    return select(
        told.c.key.label("key"), place.label("place"), kind.label("kind"), kind.is_not(None).label("to_tell")
    ).select_from(told.outerjoin(now, sa.true()))


def _of_viewer(viewer: Viewer, side: str, watchers: str) -> ColumnElement[bool]:
    """Whether the event took the ticket `from` the viewer's sight, or brought it `to` that, by itself."""
    moves = [
        _named(TicketAssigned, f"{side}_assignee_id", viewer),
        _named(RequesterChanged, f"{side}_requester_id", viewer),
        sa.and_(
            Event.kind == WatchersChanged.__name__,
            Event.data[f"{watchers}_watcher_ids"].has_key(sa.cast(viewer.id, sa.Text)),
        ),
    ]
    if viewer.is_staff and not viewer.has(Role.DIRECTOR):
        department = history.id_in(Event, f"{side}_department_id").in_(access.departments_of(viewer))
        moves.append(sa.and_(Event.kind == TicketRouted.__name__, department))
    return sa.or_(*moves)


def _named(happening: type, name: str, viewer: Viewer) -> ColumnElement[bool]:
    return sa.and_(Event.kind == happening.__name__, history.id_in(Event, name) == viewer.id)


def one(viewer: Viewer, change: Any) -> Select[Ticket]:
    """The ticket that changed, unless it left the list."""
    return tickets.visible(viewer).where(Ticket.id == change.key, change.place.is_not(None))
