"""What can be done with a ticket in its present state, and by whom: each rule once, for buttons and mutations.

A rule's tests are functions that take a column as well as a row's value, so that SQL and Python say the same.
"""

import datetime as dt
import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from domain import access
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, NotAllowed
from models import UNRESOLVED, Escalation, EscalationLevel, Role, Ticket, TicketStatus

AFTER_CLOSING = dt.timedelta(days=30)  # as long may a rating be replaced, and may the desk open it again
NOT_CLOSED = (*UNRESOLVED, TicketStatus.RESOLVED)
ANY = tuple(TicketStatus)


class TicketAction(enum.Enum):
    """What can be done with a ticket."""

    COMMENT = enum.auto()
    COMMENT_INTERNALLY = enum.auto()
    UPDATE = enum.auto()
    TRIAGE = enum.auto()
    ASSIGN = enum.auto()
    CHANGE_STATUS = enum.auto()
    RESOLVE = enum.auto()
    CONFIRM = enum.auto()
    REOPEN = enum.auto()
    CLOSE = enum.auto()
    ESCALATE = enum.auto()
    SETTLE_ESCALATION = enum.auto()
    LINK = enum.auto()
    MANAGE_WATCHERS = enum.auto()


def _is_true(value: Any) -> Any:
    return value.is_(sa.true()) if isinstance(value, ColumnElement) else value is True


def _is_there(value: Any) -> Any:
    return value.is_not(None) if isinstance(value, ColumnElement) else value is not None


class States(NamedTuple):
    """Some states of a ticket: its status, and what else must hold, by column."""

    statuses: tuple[TicketStatus, ...]
    just_closed: bool = False  # also when it was closed less than 30 days ago, and not by a merge
    tests: tuple[tuple[str, Callable[[Any], Any]], ...] = ()

    def holds(self, ticket: Ticket, now: dt.datetime) -> bool:
        """Whether the ticket is in one of them."""
        closed_at, merged = ticket.closed_at, ticket.merged_into_id is not None
        late = self.just_closed and ticket.status is TicketStatus.CLOSED and not merged
        so = ticket.status in self.statuses or (late and closed_at is not None and closed_at > now - AFTER_CLOSING)
        return so and all(test(getattr(ticket, column)) for column, test in self.tests)

    def expression(self, ticket: Any) -> ColumnElement[bool]:
        """The same, in SQL."""
        so = ticket.status.in_(self.statuses)
        if self.just_closed:
            late = ticket.closed_at > sa.func.now() - AFTER_CLOSING
            closed = sa.and_(ticket.status == TicketStatus.CLOSED, ticket.merged_into_id.is_(None), late)
            so = sa.or_(so, sa.func.coalesce(closed, sa.false()))
        return sa.and_(so, *(test(getattr(ticket, column)) for column, test in self.tests))


class Rule(NamedTuple):
    """In which states something can be done: by who works on the ticket, by its requester, by anyone who sees it."""

    otherwise: str  # what they are told who could do it in another state
    working: States | None = None
    asking: States | None = None
    seeing: States | None = None
    in_session: bool = False  # whether a session for one ticket may do it
    settling: bool = False  # whether it is for those alone who the escalation in force went to, and those above them


CLOSED = "This ticket is closed."
UNSOLVED = States(UNRESOLVED)
_CONFIRMED = States((TicketStatus.RESOLVED,), just_closed=True, tests=(("resolved_at", _is_there),))
RULES: dict[TicketAction, Rule] = {
    TicketAction.COMMENT: Rule(CLOSED, seeing=States(NOT_CLOSED), in_session=True),
    TicketAction.COMMENT_INTERNALLY: Rule(CLOSED, working=States(ANY)),
    TicketAction.UPDATE: Rule(
        "In this state, the ticket can't be changed any more.", working=States(NOT_CLOSED), asking=UNSOLVED
    ),
    TicketAction.TRIAGE: Rule(
        "This ticket does not wait for its category to be found.",
        working=States(NOT_CLOSED, tests=(("triage_pending", _is_true),)),
    ),
    TicketAction.ASSIGN: Rule(CLOSED, working=States(NOT_CLOSED)),
    TicketAction.CHANGE_STATUS: Rule("This ticket is resolved. Reopen it, then set its status.", working=UNSOLVED),
    TicketAction.RESOLVE: Rule("This ticket is resolved or closed already.", working=UNSOLVED),
    TicketAction.CONFIRM: Rule("There is no resolution to confirm.", asking=_CONFIRMED, in_session=True),
    TicketAction.REOPEN: Rule(
        "In this state, the ticket can't be opened again.",
        working=States((TicketStatus.RESOLVED,), just_closed=True),
        asking=States((TicketStatus.RESOLVED,)),
        in_session=True,
    ),
    TicketAction.CLOSE: Rule(
        "This ticket is closed already.", working=States(NOT_CLOSED), asking=UNSOLVED, in_session=True
    ),
    TicketAction.ESCALATE: Rule(
        "This ticket can't be escalated any further.",
        working=States(UNRESOLVED, tests=(("escalation_rank", lambda rank: rank < EscalationLevel.DIRECTOR.value),)),
    ),
    TicketAction.SETTLE_ESCALATION: Rule(
        "No escalation is in force.",
        working=States(UNRESOLVED, tests=(("escalation_rank", lambda rank: rank > 0),)),
        settling=True,
    ),
    TicketAction.LINK: Rule(CLOSED, working=States(ANY)),
    TicketAction.MANAGE_WATCHERS: Rule(CLOSED, working=States(ANY)),
}


def can(viewer: Viewer, ticket: Any) -> Any:
    """What the viewer can do with the ticket now: an array of names, in the order of the actions."""
    found = [sa.case((may, sa.literal_column(f"'{action.name}'", sa.Text()))) for action, may in _each(viewer, ticket)]
    if not found:
        return []
    return sa.func.array_remove(sa.dialects.postgresql.array(found), sa.null(), type_=sa.ARRAY(sa.Text()))


def _each(viewer: Viewer, ticket: Any) -> list[tuple[TicketAction, ColumnElement[bool]]]:
    if viewer.role is None or viewer.only_reads:
        return []
    works = access.works_on(viewer, ticket)
    found = []
    for action, rule in RULES.items():
        if viewer.ticket_id is not None and not rule.in_session:
            continue
        roads = []
        if rule.working is not None and works is not False:
            states = rule.working.expression(ticket)
            roads.append(states if works is True else sa.and_(works, states))
        if rule.asking is not None:
            roads.append(sa.and_(ticket.requester_id == viewer.id, rule.asking.expression(ticket)))
        if rule.seeing is not None:
            roads.append(rule.seeing.expression(ticket))
        if roads:
            may = sa.or_(*roads)
            found.append((action, sa.and_(may, _settles(viewer, ticket)) if rule.settling else may))
    return found


def _settles(viewer: Viewer, ticket: Any) -> ColumnElement[bool]:
    """Whether an escalation in force went to the viewer, or to those below them; as settling it requires."""
    if viewer.has(Role.DIRECTOR) or viewer.role is None:
        return sa.literal(viewer.role is not None)
    told = sa.exists().where(
        Escalation.ticket_id == ticket.id,
        Escalation.ended_at.is_(None),
        sa.any_(Escalation.escalated_to_ids) == viewer.id,
    )
    below = ticket.escalation_rank < viewer.role.value - Role.AGENT.value
    return sa.or_(sa.and_(below, ticket.department_id.in_(access.departments_of(viewer))), told)


def require(viewer: Viewer, ticket: Ticket, action: TicketAction, *, works: bool, now: dt.datetime) -> None:
    """Raises NotAllowed when it is not for this viewer, Conflict WRONG_STATE when it can't be done in this state.

    `works`: whether the viewer works on the ticket.
    """
    rule = RULES[action]
    roads = [
        states
        for may, states in (
            (works, rule.working),
            (ticket.requester_id == viewer.id, rule.asking),
            (True, rule.seeing),
        )
        if may and states is not None
    ]
    if viewer.ticket_id is not None and not rule.in_session:
        raise NotAllowed(access.ONE_TICKET)
    if not roads:
        raise NotAllowed(access.CONCERNED if rule.asking and rule.working else access.WORKING)
    if not any(states.holds(ticket, now) for states in roads):
        said = CLOSED if ticket.status is TicketStatus.CLOSED else rule.otherwise
        raise Conflict(ConflictReason.WRONG_STATE, said, current=(Ticket, ticket.id))
