"""Counting anew for tickets that have a policy, when what they are counted by has changed: a batch in each unit."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import history
from domain.jobs import RecalculateSla
from domain.sla import hours_by_id, some_calendars, terms_of
from domain.sla.clocks import align
from domain.sla.looking import clocks_of
from domain.sla.policies import version_of
from infra.unit import Unit
from models import UNRESOLVED, Department, SlaClock, SlaVersion, Ticket

BATCH = 500


def batch(
    policy_id: Any, calendar_id: Any, department_id: Any, after_version_id: Any, after_ticket_id: Any, most: Any
) -> Select[Ticket]:
    """The next unresolved tickets that such a change concerns, in the order of their versions and ids."""
    versions = select(SlaVersion.id)
    rows = select(Ticket)
    if policy_id is not None:
        newest = select(sa.func.max(SlaVersion.number)).where(SlaVersion.policy_id == policy_id).scalar_subquery()
        versions = versions.where(SlaVersion.policy_id == policy_id, SlaVersion.number < newest)
    elif department_id is not None:
        versions = versions.where(SlaVersion.calendar_id.is_(None))
        rows = rows.where(Ticket.department_id == department_id)
    else:
        versions = versions.where(sa.or_(SlaVersion.calendar_id == calendar_id, SlaVersion.calendar_id.is_(None)))
        named = sa.exists().where(SlaVersion.id == Ticket.sla_version_id, SlaVersion.calendar_id == calendar_id)
        theirs = sa.exists().where(Department.id == Ticket.department_id, Department.calendar_id == calendar_id)
        rows = rows.where(sa.or_(named, theirs))
    place = sa.tuple_(Ticket.sla_version_id, Ticket.id)
    if after_version_id is not None:
        rows = rows.where(place > sa.tuple_(after_version_id, after_ticket_id))
    rows = rows.where(Ticket.sla_version_id.in_(versions), Ticket.status.in_(UNRESOLVED))
    return rows.order_by(Ticket.sla_version_id, Ticket.id).limit(most)


def _versions(ids: Any) -> Select[SlaVersion]:
    return select(SlaVersion).where(SlaVersion.id == sa.func.any(ids))


def _departments(ids: Any) -> Select[Department]:
    return select(Department).where(Department.id == sa.func.any(ids))


async def recalculate(unit: Unit, job: RecalculateSla) -> None:
    """Do one batch, and ask for the next. Done twice it changes nothing more."""
    tickets = await unit.lock_all(
        batch, job.policy_id, job.calendar_id, job.department_id, job.after_version_id, job.after_ticket_id, BATCH
    )
    if not tickets:
        return
    last = tickets[-1]
    following = RecalculateSla(
        job.policy_id, job.calendar_id, job.department_id, last.sla_version_id, after_ticket_id=last.id
    )
    newest = None if job.policy_id is None else await unit.read(version_of, job.policy_id)
    if newest is not None:
        for ticket in tickets:
            unit.change(ticket, sla_version_id=newest.id)
    await _align_all(unit, tickets)
    if len(tickets) == BATCH:
        unit.enqueue(following, delay=0)


async def _align_all(unit: Unit, tickets: list[Ticket]) -> None:
    """Bring the clocks of these tickets in line, whose versions stay."""
    clocks = await unit.read_all(clocks_of, [ticket.id for ticket in tickets])
    known: dict[UUID, list[SlaClock]] = defaultdict(list)
    for clock in clocks:
        known[clock.ticket_id].append(clock)
    version_ids = {ticket.sla_version_id for ticket in tickets if ticket.sla_version_id is not None}
    versions = {row.id: row for row in await unit.read_all(_versions, list(version_ids))}
    department_ids = list({ticket.department_id for ticket in tickets})
    departments = {row.id: row for row in await unit.read_all(_departments, department_ids)}
    ids = {row.calendar_id for row in clocks} | {row.calendar_id for row in versions.values()}
    named = [key for key in ids | {row.calendar_id for row in departments.values()} if key is not None]
    calendars = hours_by_id(await unit.read_all(some_calendars, named))
    for ticket in tickets:
        if ticket.sla_version_id is not None:
            terms = terms_of(versions[ticket.sla_version_id], departments[ticket.department_id])
            align(unit, ticket, terms, known[ticket.id], calendars)
            unit.change(ticket, timer_at=unit.now)  # what escalates by these hours does so at other times now
            history.tell(unit, ticket)
