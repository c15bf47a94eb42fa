"""Emailed links that sign somebody in once."""

import datetime as dt
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import messages
from domain.access import Viewer
from domain.refusals import WrongCredentials
from infra.desk import Desk
from infra.signing import BadToken, Signer
from infra.unit import Unit
from models import MessageKind, Person, Role, SignInLink

LINK_SECONDS = 15 * 60
INVITATION_SECONDS = 7 * 24 * 60 * 60  # an invitation waits until somebody is back at their desk


def send(unit: Unit, person_id: UUID, kind: MessageKind) -> SignInLink:
    """Make a link for a person and mail it to them."""
    seconds = INVITATION_SECONDS if kind is MessageKind.INVITATION else LINK_SECONDS
    link = unit.insert(
        SignInLink,
        person_id=person_id,
        created_at=unit.now,
        expires_at=unit.now + dt.timedelta(seconds=seconds),
        used_at=None,
    )
    messages.queue(unit, kind, person_id, link_id=link.id)
    return link


def one(link_id: Any) -> Select[SignInLink]:
    """The link."""
    return select(SignInLink).where(SignInLink.id == link_id)


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _reader(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(Person.email, sa.cast(Person.role, sa.Text).label("role")).where(Person.id == person_id)


class OfTicket(NamedTuple):
    """What a link about a ticket says: which one, and whom it was mailed to."""

    ticket_id: UUID
    person_id: UUID
    mark: str | None  # of the address that it went to

    def went_to(self, address: str) -> bool:
        """Whether it was mailed to this address."""
        # Links last 90 days, and those of the version before this one do not say where they went.
        return self.mark in (None, messages.mark_of(address))


def of_ticket(signer: Signer, text: str) -> OfTicket | None:
    """What a link about a ticket says; None when it is no such link."""
    try:
        claims = signer.read(messages.TICKET_LINK, text)
    except BadToken:
        return None
    return OfTicket(UUID(claims["ticket"]), UUID(claims["person"]), claims.get("to"))


async def reader_of(desk: Desk, text: str) -> Viewer | None:
    """Who comes by a link about a ticket, and sees that ticket alone, whatever they are here; None when it is no such
    link, or they have another address now than the one that it went to.
    """
    about = of_ticket(desk.signer, text)
    found = await desk.read(_reader, about.person_id) if about is not None else []
    if about is None or not found or not about.went_to(found[0]["email"]):
        return None
    return Viewer(Role[found[0]["role"]], about.person_id, about.ticket_id)


def _unused(person_id: Any, moment: Any) -> sa.Update:
    mine = sa.and_(SignInLink.person_id == person_id, SignInLink.used_at.is_(None), SignInLink.expires_at > moment)
    return sa.update(SignInLink).where(mine).values(used_at=moment)


async def end_all(unit: Unit, person_id: UUID) -> None:
    """No link that was mailed to this person before signs in any more."""
    await unit.run(_unused, person_id, unit.now)


async def use(unit: Unit, signer: Signer, text: str) -> UUID:
    """Use a link up; gives whose it is. Raises WrongCredentials for one that is used, expired or forged."""
    try:
        claims = signer.read(messages.SIGN_IN_LINK, text)
    except BadToken:
        raise WrongCredentials from None
    known = await unit.read(one, UUID(claims["link"]))
    if known is None:
        raise WrongCredentials
    await unit.lock(_person, known.person_id)  # before the link, as whoever changes them does
    link = await unit.lock(one, known.id)
    if link is None or link.used_at is not None or link.expires_at <= unit.now:
        raise WrongCredentials
    unit.change(link, used_at=unit.now)
    return link.person_id
