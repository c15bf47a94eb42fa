"""People who sign in elsewhere: whom a token of another issuer stands for."""

import datetime as dt
import hashlib
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from domain import people, words
from domain.access import Viewer
from domain.people import Newcomer
from domain.refusals import Problems
from domain.sessions import Bearer
from infra.auditing import table_name
from infra.desk import Desk
from infra.issuer import Said
from infra.postgres import Unavailable
from infra.signing import BadToken
from infra.unit import Unit
from models import ExternalIdentity, Person, Role, Session

# --- Reading ----------------------------------------------------------------------------------------------------------


def _known(issuer: Any, subject: Any) -> Select[Person]:
    identity = sa.and_(ExternalIdentity.issuer == issuer, ExternalIdentity.subject == subject)
    return select(Person).join(ExternalIdentity, ExternalIdentity.person_id == Person.id).where(identity)


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _linked(person_id: Any, issuer: Any) -> Select[ExternalIdentity]:
    return select(ExternalIdentity).where(ExternalIdentity.person_id == person_id, ExternalIdentity.issuer == issuer)


def _session(session_id: Any) -> Select[Session]:
    return select(Session).where(Session.id == session_id)


# --- Writing ----------------------------------------------------------------------------------------------------------


async def bearer(desk: Desk, token: str) -> Bearer:
    """Whom a token of the other issuer stands for, to be looked up again after a while. Raises BadToken, Unavailable.

    Each token is a session from when it is first seen: it ends like any other, and then its token is refused.
    """
    said = await desk.issuer.read(token)
    # By what is signed alone: some signatures can be written in more than one way.
    session_id = UUID(bytes=hashlib.sha256(token.rpartition(".")[0].encode()).digest()[:16])
    expires_at = dt.datetime.fromtimestamp(said.expires_at, dt.UTC)
    async with desk.writes.begin() as unit:
        person = await unit.read(_known, desk.issuer.url, said.subject)
        if person is None:
            person = await _meet(unit, desk, said)
            await unit.flush()
        session = await unit.read(_session, session_id)
        if session is None:  # locked, so that whoever shuts them out just now finds this session, or it finds that
            person = await unit.lock(_person, person.id)
            if person is not None:
                unit.trail.actor_id = person.id
                if await unit.run(_open, session_id, person.id, unit.now, expires_at):  # else another was faster
                    unit.trail.about(table_name(Person), person.id, "Opened a session with a token of another issuer.")
                unit.change(person, last_seen_at=unit.now)
        if person is None or not person.active or (session is not None and session.ended_at is not None):
            raise BadToken("Whoever holds the token was shut out, or the session has ended.")
        until = min(expires_at, unit.now + dt.timedelta(seconds=desk.settings.access_token_seconds))
        return Bearer(Viewer(person.role, person.id), session_id, until, again=token)


def _open(session_id: Any, person_id: Any, moment: Any, expires_at: Any) -> Any:
    row = {"id": session_id, "person_id": person_id, "refresh_count": 0, "created_at": moment, "expires_at": expires_at}
    return insert(Session).values(row).on_conflict_do_nothing().returning(Session.id)


async def _meet(unit: Unit, desk: Desk, said: Said) -> Person:
    """Whoever has the address that the issuer verified, from now on known by their subject; or somebody new."""
    issuer = desk.issuer.url
    problems = Problems()
    address = words.email(problems, "email", said.email or "")
    if problems:
        raise BadToken("The issuer has verified no address of somebody who is unknown here.")
    await unit.run(_one_at_a_time, address)
    known = await unit.read(_known, issuer, said.subject)
    if known is not None:  # by another request with this token, which was faster
        return known
    person = await unit.lock(people.by_email_for_anyone, address)
    if person is None:
        if desk.settings.oidc_unknown == "refuse":
            raise BadToken("Nobody here has this address.")
        person = await _add(unit, said, address)
    elif not person.active:
        raise BadToken("Whoever has this address was shut out.")
    elif await unit.read(_linked, person.id, issuer) is not None:
        raise BadToken("Somebody else of this issuer is known by this address.")
    unit.insert(ExternalIdentity, person_id=person.id, issuer=issuer, subject=said.subject, created_at=unit.now)
    return person


def _one_at_a_time(address: Any) -> Select[*tuple[Any, ...]]:
    """Of those who come with an address that is new here, to the end of the unit."""
    return select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(address, 0)))


async def _add(unit: Unit, said: Said, address: str) -> Person:
    unit.translate("people_email_key", Unavailable())  # somebody is just signing up with it
    unread = Problems()
    name = words.line(unread, "name", said.name or "", most=words.MOST_NAME, what="The name")[: words.MOST_NAME].strip()
    wrong = Problems()
    locale = words.locale(wrong, "locale", said.locale)
    newcomer = Newcomer(name or address, address, Role.CUSTOMER, [], None if wrong else locale, invite=False)
    return await people.add_row(unit, newcomer)
