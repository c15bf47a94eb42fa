"""How tickets go up, whoever raises them: to whom, past levels where nobody is, and what is recorded of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import escalations, history
from domain.happenings import EscalationEnded, TicketEscalated, TicketRouted
from infra.unit import Unit
from models import Escalation, EscalationLevel, Membership, Person, Role, Ticket

MOST_TOLD = 50
ROLES = {
    EscalationLevel.TEAM_LEAD: Role.TEAM_LEAD,
    EscalationLevel.MANAGER: Role.MANAGER,
    EscalationLevel.DIRECTOR: Role.DIRECTOR,
}


@dataclass(frozen=True, slots=True)
class Raise:
    """A ticket that goes up; by a person, or by a rule."""

    ticket: Ticket
    level: EscalationLevel
    reason: str
    actor_id: UUID | None = None
    rule_id: UUID | None = None


@dataclass(slots=True)
class People:
    """Who is there: by department and level, and above all departments."""

    in_departments: dict[tuple[UUID, Role], list[UUID]] = field(default_factory=lambda: defaultdict(list))
    over_all: dict[Role, list[UUID]] = field(default_factory=lambda: defaultdict(list))

    def of(self, level: EscalationLevel, department_id: UUID) -> list[UUID]:
        """The people of this level, at most 50; where not even a director is left, the admins."""
        if level is EscalationLevel.DIRECTOR:
            found = self.over_all[Role.DIRECTOR] or self.over_all[Role.ADMIN]
        else:
            found = self.in_departments[department_id, ROLES[level]]
        return found[:MOST_TOLD]


def _in_departments(department_ids: Any) -> Select[*tuple[Any, ...]]:
    rows = select(Person.id, Person.role, Membership.department_id).join(Person, Person.id == Membership.person_id)
    its_roles = [Role.TEAM_LEAD, Role.MANAGER]
    wanted = (Membership.department_id == sa.any_(department_ids), Person.active, Person.role.in_(its_roles))
    return rows.where(*wanted).order_by(Person.id)


def _over_all() -> Select[*tuple[Any, ...]]:
    # As the index has it, whatever PostgreSQL knows of parameters.
    over_all = sa.literal_column("people.role IN ('DIRECTOR', 'ADMIN')", sa.Boolean())
    return select(Person.id, Person.role).where(over_all, Person.active).order_by(Person.id)


async def _people(unit: Unit, department_ids: Sequence[UUID]) -> People:
    people = People()
    for person_id, role, department_id in await unit.run(_in_departments, list(department_ids)):
        people.in_departments[department_id, Role[role]].append(person_id)
    for person_id, role in await unit.run(_over_all):
        people.over_all[Role[role]].append(person_id)
    return people


async def to_higher_levels(
    unit: Unit, raises: Sequence[Raise], in_force: Mapping[UUID, Escalation]
) -> list[Escalation]:
    """Raise these locked tickets, and give what is in force for each from now on.

    `in_force`: their locked escalations until now, by ticket; each ends. A level without active people is recorded and
    passed at once.
    """
    people = await _people(unit, list({each.ticket.department_id for each in raises}))
    ending = [in_force[each.ticket.id] for each in raises if each.ticket.id in in_force]
    for escalation in ending:
        unit.change(escalation, ended_at=unit.now)
    if ending:  # before another is in force: the index that allows only one knows no order within a statement
        await unit.flush()
    return [_up(unit, each, in_force.get(each.ticket.id), people) for each in raises]


def _up(unit: Unit, each: Raise, before: Escalation | None, people: People) -> Escalation:
    ticket, level = each.ticket, each.level
    while True:
        if before is not None:
            history.record(unit, each.actor_id, ticket, EscalationEnded(before.id, None))
        told = people.of(level, ticket.department_id)
        stays = bool(told) or level is EscalationLevel.DIRECTOR
        before = unit.insert(
            Escalation,
            ticket_id=ticket.id,
            level=level,
            reason=each.reason,
            rule_id=each.rule_id,
            escalated_by_id=each.actor_id,
            escalated_to_ids=told,
            at=unit.now,
            acknowledged_at=None,
            acknowledged_by_id=None,
            ended_at=None if stays else unit.now,
        )
        history.record(unit, each.actor_id, ticket, TicketEscalated(before.id, level))
        if stays:
            unit.change(ticket, escalation_rank=level.value)
            return before
        level = EscalationLevel(level.value + 1)


async def anew(unit: Unit, tickets: Sequence[Ticket], in_force: Mapping[UUID, Escalation]) -> None:
    """Raise these locked tickets again, each for the reason that it was raised for: to those who are of its level by
    now, or where nobody is to a higher one.
    """
    people = await _people(unit, list({ticket.department_id for ticket in tickets}))
    raises = []
    for ticket in tickets:
        before = in_force[ticket.id]
        level, last = before.level, EscalationLevel.DIRECTOR
        if not people.of(level, ticket.department_id) and level is not last:
            level = EscalationLevel(level.value + 1)
        raises.append(Raise(ticket, level, before.reason or "", rule_id=before.rule_id))
    await to_higher_levels(unit, raises, in_force)


async def go_along(unit: Unit, actor_id: UUID | None, ticket: Ticket, routed: TicketRouted) -> None:
    """Record that a locked ticket came to another department; its escalation in force goes to those of its level there,
    too, which `routed` tells them.

    Where nobody is of that level it goes up, as those whom it went to do not see it any more. What was acknowledged
    stays.
    """
    escalation = await unit.lock(escalations.in_force, ticket.id) if ticket.escalation_rank else None
    if escalation is None:
        history.record(unit, actor_id, ticket, routed)
        return
    level, before = escalation.level, escalation.escalated_to_ids
    there = (await _people(unit, [ticket.department_id])).of(level, ticket.department_id)
    if not set(there) <= set(before):
        unit.change(escalation, escalated_to_ids=list(dict.fromkeys([*there, *before]))[:MOST_TOLD])
        routed = replace(routed, escalation_id=escalation.id)
    history.record(unit, actor_id, ticket, routed)
    if not there and escalation.acknowledged_at is None and level is not EscalationLevel.DIRECTOR:
        rule_id = escalation.rule_id if actor_id is None else None
        higher = Raise(ticket, EscalationLevel(level.value + 1), escalation.reason or "", actor_id, rule_id)
        await to_higher_levels(unit, [higher], {ticket.id: escalation})
