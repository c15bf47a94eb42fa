"""What the clock does for escalation: it raises tickets for which a rule has fallen due."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain.escalations import all_in_force, deciding, raising, rules
from domain.escalations.deciding import Facts, InForce
from domain.escalations.raising import Raise
from domain.sla import some_calendars
from infra.unit import Unit
from models import UNRESOLVED, BusinessCalendar, Department, Escalation, Event, SlaVersion, Ticket, TicketStatus


def _calendars(ticket_ids: Any) -> Select[*tuple[Any, ...]]:
    """By which calendar the time of each of these tickets counts: its policy's, or else its department's."""
    named = sa.func.coalesce(SlaVersion.calendar_id, Department.calendar_id)
    rows = select(Ticket.id, named).join(Department, Department.id == Ticket.department_id)
    rows = rows.outerjoin(SlaVersion, SlaVersion.id == Ticket.sla_version_id)
    return rows.where(Ticket.id == sa.any_(ticket_ids), named.is_not(None))


def _turns(ticket_ids: Any) -> Select[*tuple[Any, ...]]:
    """When each of these tickets was last given away or put back, and when it was last no longer pending."""
    its = select(sa.func.unnest(ticket_ids, type_=sa.Uuid()).label("id")).subquery("its")

    def last(kind: str, *conditions: Any) -> Any:
        rows = select(Event.at).where(Event.ticket_id == its.c.id, Event.kind == sa.literal_column(f"'{kind}'"))
        return rows.where(*conditions).order_by(Event.seq.desc()).limit(1).scalar_subquery()

    was_pending = Event.data["from_status"].astext == sa.literal_column(f"'{TicketStatus.PENDING.name}'")
    return select(its.c.id, last("TicketAssigned"), last("StatusChanged", was_pending))


async def look(unit: Unit, tickets: list[Ticket]) -> dict[UUID, dt.datetime]:
    """Raise each of these locked tickets by the rule that has fallen due, one level, and say when one is due for which.

    What follows a level is looked for after it was recorded, so that nothing is passed over after a time without
    workers.
    """
    unresolved = [ticket for ticket in tickets if ticket.status in UNRESOLVED]
    active = await unit.read_all(rules.active) if unresolved else []
    if not active:
        return {}
    escalations = await _escalations(unit, unresolved)
    turns = await _turns_of(unit, unresolved)
    calendars = await _calendars_of(unit, unresolved)
    waiting: dict[UUID, dt.datetime] = {}
    raises = []
    for ticket in unresolved:
        now_in_force = escalations.get(ticket.id)
        facts = _facts(ticket, *turns[ticket.id])
        due = deciding.next_due(active, facts, _as_in_force(now_in_force), calendars.get(ticket.id))
        if due is None:
            continue
        if due.at <= unit.now:
            raises.append(Raise(ticket, due.rule.level, due.rule.name, rule_id=due.rule.id))
        else:
            waiting[ticket.id] = due.at
    if raises:
        await raising.to_higher_levels(unit, raises, escalations)
    return waiting


async def _escalations(unit: Unit, tickets: Sequence[Ticket]) -> dict[UUID, Escalation]:
    escalated = [ticket.id for ticket in tickets if ticket.escalation_rank]
    found = await unit.lock_all(all_in_force, escalated) if escalated else []
    return {escalation.ticket_id: escalation for escalation in found}


async def _turns_of(unit: Unit, tickets: Sequence[Ticket]) -> dict[UUID, tuple[Any, Any]]:
    records = await unit.run(_turns, [ticket.id for ticket in tickets])
    return {record[0]: (record[1], record[2]) for record in records}


async def _calendars_of(unit: Unit, tickets: Sequence[Ticket]) -> dict[UUID, BusinessCalendar]:
    """The calendars by ticket, of those that have one."""
    records = await unit.run(_calendars, [ticket.id for ticket in tickets])
    named = {record[0]: record[1] for record in records}
    found = await unit.read_all(some_calendars, list(set(named.values()))) if named else []
    calendars = {calendar.id: calendar for calendar in found}
    return {ticket_id: calendars[calendar_id] for ticket_id, calendar_id in named.items()}


def _facts(ticket: Ticket, assigned_at: dt.datetime | None, pending_until: dt.datetime | None) -> Facts:
    return Facts(
        status=ticket.status,
        priority=ticket.priority,
        department_id=ticket.department_id,
        created_at=ticket.created_at,
        unassigned_since=(assigned_at or ticket.created_at) if ticket.assignee_id is None else None,
        first_responded_at=ticket.first_responded_at,
        waiting_since=ticket.waiting_since,
        breached_at=ticket.breached_at,
        pending_until=pending_until,
        escalates_since=ticket.escalates_since,
    )


def _as_in_force(escalation: Escalation | None) -> InForce | None:
    if escalation is None:
        return None
    return InForce(escalation.level, escalation.at, escalation.acknowledged_at is not None)
