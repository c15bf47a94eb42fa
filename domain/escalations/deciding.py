"""Which rule raises a ticket next, and when: a pure function of what is known of the ticket.

- A ticket goes up one level at a time. Of the rules whose conditions hold and whose trigger is the case, those of the
  lowest level above the one in force count; a rule for a higher level waits until they have acted. A rule whose trigger
  is not the case keeps no other one waiting, or a ticket could be forgotten for good.
- Time counts since the trigger is the case, and anew since an escalation was ended or the ticket was opened again.
- While a ticket is pending, it waits for its customer: who has it and who has answered does not count, and counts anew
  once it has left that state. That it is not resolved, missed a target or was not acknowledged counts all the same. On
  hold, everything counts: the customer still waits.
- Once acknowledged, no rule raises a ticket further.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.calendars import working
from models import BusinessCalendar, EscalationLevel, EscalationRule, EscalationTrigger, TicketPriority, TicketStatus

# What does not count while the ticket waits for its customer.
OF_THE_DESK = (EscalationTrigger.UNASSIGNED, EscalationTrigger.NOT_ANSWERED, EscalationTrigger.CUSTOMER_WAITING)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a ticket."""

    status: TicketStatus
    priority: TicketPriority
    department_id: UUID
    created_at: dt.datetime
    unassigned_since: dt.datetime | None = None  # None: somebody has it
    first_responded_at: dt.datetime | None = None
    waiting_since: dt.datetime | None = None
    breached_at: dt.datetime | None = None
    pending_until: dt.datetime | None = None  # when it was last pending
    escalates_since: dt.datetime | None = None  # when rules began to count anew


class InForce(NamedTuple):
    """The escalation in force."""

    level: EscalationLevel
    at: dt.datetime
    acknowledged: bool


class Due(NamedTuple):
    """The rule that acts next, and when."""

    at: dt.datetime
    rule: EscalationRule


def next_due(
    rules: Sequence[EscalationRule], facts: Facts, in_force: InForce | None, calendar: BusinessCalendar | None
) -> Due | None:
    """The rule that acts next if nothing else happens; None when none will.

    `rules`: the active ones, in any order; `calendar`: that the ticket's time is counted by, None for around the clock.
    """
    if facts.status in {TicketStatus.RESOLVED, TicketStatus.CLOSED} or (in_force and in_force.acknowledged):
        return None
    rank, hours = in_force.level.value if in_force else 0, working.hours_of(calendar)
    counting = [
        (rule, since)
        for rule in rules
        if rule.level.value > rank and holds(rule, facts) and (since := counts_since(rule, facts, in_force)) is not None
    ]
    lowest = min((rule.level.value for rule, _ in counting), default=0)
    due = [
        Due(at, rule)
        for rule, since in counting
        if rule.level.value == lowest and (at := working.after(hours, since, rule.after_seconds)) is not None
    ]
    return min(due, key=lambda each: (each.at, each.rule.id), default=None)


def holds(rule: EscalationRule, facts: Facts) -> bool:
    """Whether the rule's conditions hold; one that is empty does."""
    return (not rule.priorities or facts.priority.name in rule.priorities) and (
        not rule.department_ids or facts.department_id in rule.department_ids
    )


def counts_since(rule: EscalationRule, facts: Facts, in_force: InForce | None) -> dt.datetime | None:
    """Since when time counts for the rule; None when what it watches is not the case."""
    if rule.trigger is EscalationTrigger.NOT_ACKNOWLEDGED:
        below = in_force is not None and in_force.level.value == rule.level.value - 1
        return in_force.at if in_force and below else None
    of_the_desk = rule.trigger in OF_THE_DESK
    since = _since(rule.trigger, facts)
    if since is None or (of_the_desk and facts.status is TicketStatus.PENDING):
        return None
    anew = [facts.escalates_since, facts.pending_until if of_the_desk else None]
    return max([since, *filter(None, anew)])


def _since(trigger: EscalationTrigger, facts: Facts) -> dt.datetime | None:
    match trigger:
        case EscalationTrigger.UNASSIGNED:
            return facts.unassigned_since
        case EscalationTrigger.NOT_ANSWERED:
            return facts.created_at if facts.first_responded_at is None else None
        case EscalationTrigger.CUSTOMER_WAITING:
            return facts.waiting_since
        case EscalationTrigger.SLA_BREACHED:
            return facts.breached_at
        case _:
            return facts.created_at
