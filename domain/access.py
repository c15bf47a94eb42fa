"""Who asks, and what they may see and do."""

import enum
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.dialects.postgresql import ARRAY

from domain.refusals import NotAllowed, NotFound, Unauthenticated
from models import ApiTokenScope, Membership, Person, Role, Ticket, Watcher

Found = TypeVar("Found")
Works = ColumnElement[bool] | bool  # whether the viewer works on a ticket; plain where the role decides


class Permission(enum.Enum):
    """A right that doesn't depend on one object."""

    SUBMIT_TICKETS = enum.auto()
    SUBMIT_TICKETS_FOR_OTHERS = enum.auto()
    WORK_TICKETS = enum.auto()
    WRITE_ARTICLES = enum.auto()
    PUBLISH_ARTICLES = enum.auto()
    ANNOUNCE_MAINTENANCE = enum.auto()
    SEE_METRICS = enum.auto()
    MANAGE_PEOPLE = enum.auto()
    MANAGE_SETTINGS = enum.auto()
    OPERATE = enum.auto()


# From which role on; customers submit for themselves alone.
PERMISSIONS = {
    Permission.SUBMIT_TICKETS: Role.CUSTOMER,
    Permission.SUBMIT_TICKETS_FOR_OTHERS: Role.AGENT,
    Permission.WORK_TICKETS: Role.AGENT,
    Permission.WRITE_ARTICLES: Role.AGENT,
    Permission.PUBLISH_ARTICLES: Role.TEAM_LEAD,
    Permission.SEE_METRICS: Role.TEAM_LEAD,
    Permission.ANNOUNCE_MAINTENANCE: Role.MANAGER,
    Permission.MANAGE_PEOPLE: Role.ADMIN,
    Permission.MANAGE_SETTINGS: Role.ADMIN,
    Permission.OPERATE: Role.ADMIN,
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever asks. Without a role nobody is signed in, and `id` is a visitor's; with a ticket the session sees that
    ticket alone; with a scope it is a program with a token of the person's.

    In a statement that is being built, `id` and `ticket_id` are bind parameters, so rights can't branch on them.
    """

    role: Role | None
    id: Any = None
    ticket_id: Any = None
    scope: ApiTokenScope | None = None

    bindable: ClassVar[tuple[str, ...]] = ("id", "ticket_id")

    @property
    def person_id(self) -> Any:
        """The id of whoever is signed in; None for a visitor."""
        return None if self.role is None else self.id

    @property
    def is_staff(self) -> bool:
        """Whether the viewer works here. A session for one ticket never does."""
        return self.has(Role.AGENT)

    @property
    def only_reads(self) -> bool:
        """Whether it is a program whose token is for reading alone."""
        return self.scope is ApiTokenScope.READ

    def has(self, role: Role) -> bool:
        """Whether the viewer has this role's rights."""
        return self.role is not None and self.ticket_id is None and self.role._value_ >= role._value_


NOBODY = Viewer(None)


# What a program may never do, and all that one may do that reads.
FOR_PEOPLE_ALONE = {Permission.MANAGE_PEOPLE}
FOR_READING = {Permission.SEE_METRICS}


def permissions(viewer: Viewer) -> list[Permission]:
    """What the viewer may do in general."""
    found = [permission for permission, role in PERMISSIONS.items() if viewer.has(role)]
    if viewer.scope is None:
        return found
    if viewer.only_reads:
        return [permission for permission in found if permission in FOR_READING]
    return [permission for permission in found if permission not in FOR_PEOPLE_ALONE]


# What whoever may not do something is told: whom it is for, by the names that the schema's descriptions have for them.
ALONE = {
    Role.AGENT: "Only staff may do this.",
    Role.TEAM_LEAD: "Only leads may do this.",
    Role.MANAGER: "Only managers may do this.",
    Role.DIRECTOR: "Only directors may do this.",
    Role.ADMIN: "Only admins may do this.",
}
WORKING = "Only those who work on this ticket may do this."
ASKING = "Only whoever asked for this ticket may do this."
CONCERNED = "Only whoever asked for this ticket, and those who work on it, may do this."
ONE_TICKET = "A link in an email is for its ticket alone. Sign in for this."


def sign_in_required(viewer: Viewer) -> None:
    """Raises Unauthenticated when nobody is signed in."""
    if viewer.role is None:
        raise Unauthenticated


def require(viewer: Viewer, role: Role) -> None:
    """Raises Unauthenticated or NotAllowed unless the viewer has this role's rights."""
    sign_in_required(viewer)
    if viewer.ticket_id is not None:
        raise NotAllowed(ONE_TICKET)
    if not viewer.has(role):
        raise NotAllowed(ALONE[role])


def require_account(viewer: Viewer) -> None:
    """Raises Unauthenticated or NotAllowed unless the session is a person's own, not one for a single ticket."""
    sign_in_required(viewer)
    if viewer.ticket_id is not None:
        raise NotAllowed(ONE_TICKET)


def require_person(viewer: Viewer) -> None:
    """Raises Unauthenticated or NotAllowed unless it is a person with an account who asks, not a program of theirs."""
    require_account(viewer)
    if viewer.scope is not None:
        raise NotAllowed("A program may not do this.")


def require_writing(viewer: Viewer, *, everyone: bool = False) -> None:
    """Raises Unauthenticated when nobody is signed in, unless it's for everyone; NotAllowed for a program that may only
    read.
    """
    if not everyone:
        sign_in_required(viewer)
    if viewer.only_reads:
        raise NotAllowed("This token is for reading alone.")


def found(row: Found | None, field: str, what: str) -> Found:
    """The row. Raises NotFound when there is none."""
    if row is None:
        raise NotFound(field, what)
    return row


def still(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer is still who they were when they came.

    Processes hear soon that somebody was shut out or has another role; what is read until then must not show it.
    """
    them: Any = Person.__table__.alias("viewer")  # a name of its own, since rows may be joined with people
    return sa.exists().where(them.c.id == viewer.id, them.c.active, them.c.role == viewer.role)


def departments_of(viewer: Viewer) -> Select[UUID]:
    """Ids of the departments that the viewer works in."""
    return select(Membership.department_id).where(Membership.person_id == viewer.id)


def membership(person_id: Any, department_id: Any) -> Select[Membership]:
    """That somebody works in a department as its member, whatever their role is."""
    return select(Membership).where(Membership.person_id == person_id, Membership.department_id == department_id)


def works_here(person: Any) -> ColumnElement[bool]:
    """Whether somebody is an active member of staff."""
    return sa.and_(person.active, person.role != Role.CUSTOMER)


def works_in(person: Any, department_id: Any) -> ColumnElement[bool]:
    """Whether somebody is an active member of staff who can work on the department's tickets."""
    member = membership(person.id, department_id).exists()
    leads_all = person.role.in_([Role.DIRECTOR, Role.ADMIN])
    return sa.and_(works_here(person), sa.or_(member, leads_all))


def worked_on_by(person: Any, ticket: Any) -> ColumnElement[bool]:
    """Whether somebody is an active member of staff who works on the ticket."""
    has_it = sa.and_(person.id == ticket.assignee_id, works_here(person))
    return sa.or_(works_in(person, ticket.department_id), sa.func.coalesce(has_it, sa.false()))


def watched_of(viewer: Viewer) -> Select[UUID]:
    """Ids of the tickets that the viewer watches."""
    return select(Watcher.ticket_id).where(Watcher.person_id == viewer.id)


def watched_by(viewer: Viewer, ticket: Any) -> ColumnElement[bool]:
    """Whether the viewer watches the ticket.

    As an array, which is made once: beside another condition, PostgreSQL then finds the tickets from both, where an
    EXISTS would have it look at all of them.
    """
    return among(ticket.id, watched_of(viewer))


def among(value: Any, those: Select[UUID]) -> ColumnElement[bool]:
    """Whether an id is one of those, which are few: of them an array is made, for less than the hash of an IN."""
    found: ColumnElement[bool] = value == sa.any_(sa.func.array(those.scalar_subquery(), type_=ARRAY(sa.Uuid())))
    return found


def works_on(viewer: Viewer, ticket: Any) -> Works:
    """Whether the viewer sees this ticket as staff, with all that is internal; plain where the role decides."""
    if not viewer.is_staff:
        return False
    if viewer.has(Role.DIRECTOR):
        return True
    return sa.or_(
        among(ticket.department_id, departments_of(viewer)),
        sa.func.coalesce(ticket.assignee_id == viewer.id, sa.false()),
    )


def places(viewer: Viewer) -> list[tuple[Any, ...]]:
    """What has to be read beside a row of a ticket for `works_on_row`; nothing where the role decides.

    Not as a part of the same condition: a row that was waited for may have come to another department meanwhile.
    """
    return [(_departments_in, viewer)] if viewer.is_staff and not viewer.has(Role.DIRECTOR) else []


def _departments_in(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    return select(sa.func.array(departments_of(viewer).scalar_subquery()).label("ids"))


def works_on_row(viewer: Viewer, ticket: Ticket, found: list[list[Any]]) -> bool:
    """As `works_on`, of a row, by what `places` gave."""
    if not found:
        return viewer.is_staff
    [[(ids,)]] = found
    return ticket.assignee_id == viewer.id or ticket.department_id in ids


def of_side(works: Works, staff: Any, customers: Any) -> Any:
    """The first for the side of whoever works on a ticket, the second for everyone else's."""
    if isinstance(works, bool):
        return staff if works else customers
    return sa.case((works, staff), else_=customers)


def for_side(viewer: Viewer, ticket: Any, staff: Any, customers: Any) -> Any:
    """What the viewer's side has of a ticket: the first for whoever works on it, the second for everyone else."""
    return of_side(works_on(viewer, ticket), staff, customers)


def unless_internal(viewer: Viewer, ticket: Any, public: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the viewer sees what hangs on a ticket: what is `public`, or anything for whoever works on it."""
    return if_of_side(works_on(viewer, ticket), public)


def if_of_side(works: Works, public: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same where it is known on which side the viewer is."""
    if isinstance(works, bool):
        return sa.true() if works else public
    return sa.or_(public, works)
