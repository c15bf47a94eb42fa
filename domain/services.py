"""Services that tickets and maintenance may concern: who sees them, who keeps them, and who is subscribed to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import access, people, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, NotAllowed, Problems
from infra.unit import Unit
from models import Person, Role, Service, ServiceSubscription

CHANNEL = "services"  # with a person's id behind a colon: where it is told that they subscribed or no longer are
MOST_PEOPLE = 1000  # that one mutation subscribes

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, *, include_archived: bool = False) -> Select[Service]:
    """Services in use, for everyone; archived ones for admins."""
    rows = select(Service)
    if include_archived:
        access.require(viewer, Role.ADMIN)
        return rows
    return rows.where(Service.archived_at.is_(None))


def one(viewer: Viewer, service_id: Any) -> Select[Service]:
    """The service; for staff even when archived, since old tickets concern it."""
    rows = select(Service) if viewer.is_staff else visible(viewer)
    return rows.where(Service.id == service_id)


def usable(viewer: Viewer, service_id: Any) -> Select[Service]:
    """The service, if new tickets can concern it."""
    return visible(viewer).where(Service.id == service_id)


def named(service_ids: Any) -> Select[Service]:
    """These services, archived ones included, by name."""
    return select(Service).where(Service.id == func.any(service_ids)).order_by(Service.name)


def is_subscribed(viewer: Viewer, service: Any) -> Any:
    """Whether the viewer is subscribed to it; a session for one ticket never is."""
    if viewer.role is None or viewer.ticket_id is not None:
        return sa.false()
    return sa.exists().where(ServiceSubscription.service_id == service.id, ServiceSubscription.person_id == viewer.id)


def subscribers(service: Any) -> Select[Person]:
    """Active people who are subscribed to it."""
    rows = select(Person).join(ServiceSubscription, ServiceSubscription.person_id == Person.id)
    return rows.where(ServiceSubscription.service_id == service.id, Person.active)


def of_person(viewer: Viewer, person: Any) -> Select[Service]:
    """The services that somebody is subscribed to, for themselves and staff; none for others."""
    subscribed = sa.exists().where(
        ServiceSubscription.service_id == Service.id, ServiceSubscription.person_id == person.id
    )
    rows = visible(viewer).where(subscribed)
    if viewer.is_staff:
        return rows
    if viewer.role is None or viewer.ticket_id is not None:
        return rows.where(sa.false())
    return rows.where(person.id == viewer.id)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a service is, as an admin fills it in."""

    name: str
    description: str | None
    archived: bool


async def save(unit: Unit, viewer: Viewer, service_id: UUID | None, form: Form) -> UUID:
    """Make a service, or replace the one of this id. Raises InvalidInput, NotFound, NotAllowed, Conflict TAKEN."""
    access.require(viewer, Role.ADMIN)
    problems = Problems()
    name = words.line(problems, "name", form.name, most=100, what="The name")
    description = words.optional_line(problems, "description", form.description, most=500, what="The description")
    problems.refuse()
    unit.translate("services_name_key", Conflict(ConflictReason.TAKEN, "Another service has this name."))
    if service_id is None:
        archived_at = unit.now if form.archived else None
        return unit.insert(Service, name=name, description=description, archived_at=archived_at).id
    row = access.found(await unit.lock(one, viewer, service_id), "serviceId", "service")
    archived_at = (row.archived_at or unit.now) if form.archived else None
    unit.change(row, name=name, description=description, archived_at=archived_at)
    return row.id


def _known(viewer: Viewer, person_ids: Any) -> Select[Person]:
    return people.visible(viewer).where(Person.id == func.any(person_ids))


def _added(service_id: Any, person_ids: Any) -> Any:
    person_id = func.unnest(person_ids).column_valued("person_id")
    made = insert(ServiceSubscription).from_select(["service_id", "person_id"], select(service_id, person_id))
    return made.on_conflict_do_nothing().returning(ServiceSubscription.person_id)


def _taken(service_id: Any, person_ids: Any) -> Any:
    own = ServiceSubscription
    rows = sa.delete(own).where(own.service_id == service_id, own.person_id == func.any(person_ids))
    return rows.returning(own.person_id)


async def subscribe(unit: Unit, viewer: Viewer, service_id: UUID, person_ids: Sequence[UUID] | None) -> UUID:
    """Have people hear of maintenance of the service: the viewer, or whom a manager names.

    Raises InvalidInput, NotFound, NotAllowed.
    """
    those = await _those(unit, viewer, person_ids)
    service = access.found(await unit.read(usable, viewer, service_id), "serviceId", "service")
    _tell(unit, await unit.run(_added, service.id, those))
    return service.id


async def unsubscribe(unit: Unit, viewer: Viewer, service_id: UUID, person_ids: Sequence[UUID] | None) -> UUID:
    """Have people hear no more of new maintenance of the service. Raises as `subscribe`."""
    those = await _those(unit, viewer, person_ids)
    service = access.found(await unit.read(one, viewer, service_id), "serviceId", "service")
    _tell(unit, await unit.run(_taken, service.id, those))
    return service.id


async def _those(unit: Unit, viewer: Viewer, person_ids: Sequence[UUID] | None) -> list[UUID]:
    """Whom it concerns, in one order, so that two who subscribe the same people can't wait for each other."""
    access.require_account(viewer)
    if person_ids is None:
        return [viewer.id]
    if not viewer.has(Role.MANAGER) and set(person_ids) != {viewer.id}:
        raise NotAllowed("You subscribe yourself; managers subscribe others.")
    problems = Problems()
    if not 1 <= len(person_ids) <= MOST_PEOPLE:
        problems.add("personIds", f"1 to {MOST_PEOPLE:,} are possible.")
    problems.refuse()
    known = {row.id for row in await unit.read_all(_known, viewer, list(person_ids))}
    for number, person_id in enumerate(person_ids):
        access.found(person_id if person_id in known else None, f"personIds.{number}", "person")
    return sorted(known)


def _tell(unit: Unit, records: list[Any]) -> None:
    for record in records:
        unit.publish(f"{CHANNEL}:{record[0]}")
