"""Passwords: which are good enough, and setting one."""

from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, account_letters, attempts, sessions
from domain.access import Viewer
from domain.refusals import Problems, WrongCredentials
from domain.sessions import LEAST_PASSWORD, MOST_PASSWORD
from infra.desk import Desk
from models import MessageKind, Person, Session

# Those of 12 characters and more among the most used ones, in lower case.
WELL_KNOWN = frozenset(Path(__file__).with_name("passwords.txt").read_text().split())
FEWEST_KINDS = 5  # of characters: less is a key held down, or a pattern


def _self(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


def _session(session_id: Any, person_id: Any) -> Select[Session]:
    return select(Session).where(Session.id == session_id, Session.person_id == person_id)


def check(problems: Problems, field: str, password: str, person: Person) -> None:
    """Adds a problem when the password is too short, too long, or the first that somebody would try."""
    plain = password.casefold()
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        problems.add(field, f"A password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters.")
    elif plain in WELL_KNOWN or len(set(plain)) < FEWEST_KINDS or plain in {person.email, person.name.casefold()}:
        problems.add(field, "This password is too well known. A few words that have nothing to do with you make one.")


async def set_own(desk: Desk, viewer: Viewer, session_id: UUID | None, *, current: str | None, new: str) -> None:
    """Set the viewer's password, and end their other sessions.

    Who has a password must know it, unless they came by an emailed link. Raises WrongCredentials, RateLimited,
    InvalidInput, NotAllowed.
    """
    access.require_person(viewer)
    async with desk.writes.begin() as unit:
        person = await unit.read(_self, viewer.id)
        session = await unit.read(_session, session_id, viewer.id)
    if person is None or session is None:
        raise WrongCredentials(viewer.id)
    problems = Problems()
    check(problems, "newPassword", new, person)
    problems.refuse()
    known = person.password_hash
    if known is not None and not session.by_link:
        await attempts.take(desk.writes, attempts.PASSWORD_BY_PERSON, str(viewer.id))
        if current is None or len(current) > MOST_PASSWORD or not await sessions.verified(known, current):
            raise WrongCredentials(viewer.id)
    digest = await sessions.hashed(new)
    async with desk.writes.begin() as unit:
        row = await unit.lock(_self, viewer.id)
        if row is None or row.password_hash != known:  # shut out, or another was faster
            raise WrongCredentials(viewer.id)
        unit.change(row, password_hash=digest)
        account_letters.owe(unit, MessageKind.PASSWORD_CHANGED, row)
        await sessions.end_all(unit, row.id, but=session_id)
