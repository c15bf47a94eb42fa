"""Sessions: signing in, going on, signing out, and whom an access token stands for."""

import asyncio
import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import argon2
import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, account_letters, attempts, links, people
from domain.access import Viewer
from domain.jobs import SendSignInLink
from domain.refusals import Problems, WrongCredentials
from domain.words import email as email_address
from infra.desk import Desk
from infra.signing import BadToken
from infra.unit import Unit, now
from models import MessageKind, Person, Role, Session, SignInLink, Ticket

ACCESS, REFRESH = "access", "refresh"  # purposes of signed tokens
AUDIENCE = "deskwire"
CHANNEL = "sessions"  # where sessions that end are named
LEAST_PASSWORD, MOST_PASSWORD = 12, 128

_hasher = argon2.PasswordHasher()
_hashing = asyncio.Semaphore(2)  # each takes 64 MiB and a core
# Verified when nobody has the address, so that it takes as long as when somebody has: of a password that nobody kept.
# Made at each start it would take as long as signing in does.
NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=4$Rwn/jwGjEwOAEFMiySKjOA$hWukk+CBoh10PCRwh9YheNeRY/nvOkH7VdPnnkHsQIk"


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened or goes on, with its tokens."""

    viewer: Viewer
    session_id: UUID
    access_token: str
    access_token_expires_at: dt.datetime
    refresh_token: str
    refresh_token_expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom an access token stands for, until when."""

    viewer: Viewer
    session_id: UUID  # or that of the token itself
    expires_at: dt.datetime
    again: str | None = field(default=None, repr=False)  # the token, when it must be looked up anew by then


# --- Reading ----------------------------------------------------------------------------------------------------------


def _active(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


def _one(session_id: Any) -> Select[Session]:
    return select(Session).where(Session.id == session_id)


def _requested(ticket_id: Any, person_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == ticket_id, Ticket.requester_id == person_id)


def _open_ones(person_id: Any, moment: Any) -> Select[Session]:
    return (
        select(Session)
        .where(Session.person_id == person_id, Session.ended_at.is_(None), Session.expires_at > moment)
        .order_by(Session.id)
    )


def _mailed_ones(person_id: Any, moment: Any) -> Select[Session]:
    return _open_ones(person_id, moment).where(sa.or_(Session.by_link, Session.ticket_id.is_not(None)))


def _ended_since(moment: Any) -> Select[*tuple[Any, ...]]:
    return select(Session.id, Session.ended_at).where(Session.ended_at > moment)


async def ended_lately(desk: Desk) -> dict[UUID, dt.datetime]:
    """Sessions that have ended while access tokens of theirs may still be about."""
    since = now() - dt.timedelta(seconds=desk.settings.access_token_seconds + 60)
    return {record[0]: record[1] for record in await desk.writes.read(_ended_since, since)}


def bearer(desk: Desk, token: str) -> Bearer:
    """Whom an access token stands for. Raises BadToken; whether its session has ended is the caller's to check."""
    claims = desk.signer.read(ACCESS, token)
    if claims.get("iss") != desk.settings.public_url or claims.get("aud") != AUDIENCE:
        raise BadToken("The token is for another desk.")
    ticket = claims["ticket"]
    viewer = Viewer(Role[claims["role"]], UUID(claims["sub"]), UUID(ticket) if ticket else None)
    return Bearer(viewer, UUID(claims["sid"]), dt.datetime.fromtimestamp(claims["exp"], dt.UTC))


# --- Writing ----------------------------------------------------------------------------------------------------------


def _tokens(desk: Desk, session: Session, role: Role, moment: dt.datetime) -> Opened:
    seconds = desk.settings.access_token_seconds
    claims = {
        "iss": desk.settings.public_url,
        "aud": AUDIENCE,
        "sub": str(session.person_id),
        "sid": str(session.id),
        "number": session.refresh_count,  # no two tokens are alike, even of one second
        "role": role.name,
        "ticket": str(session.ticket_id) if session.ticket_id else None,
    }
    left = int((session.expires_at - moment).total_seconds())
    return Opened(
        viewer=Viewer(role, session.person_id, session.ticket_id),
        session_id=session.id,
        access_token=desk.signer.sign(ACCESS, claims, seconds),
        access_token_expires_at=moment + dt.timedelta(seconds=seconds),
        refresh_token=desk.signer.sign(REFRESH, {"sid": str(session.id), "number": session.refresh_count}, left),
        refresh_token_expires_at=session.expires_at,
    )


def _opened(desk: Desk, unit: Unit, person: Person, ticket_id: UUID | None, *, by_link: bool) -> Opened:
    session = unit.insert(
        Session,
        person_id=person.id,
        ticket_id=ticket_id,
        refresh_count=0,
        by_link=by_link,
        created_at=unit.now,
        expires_at=unit.now + dt.timedelta(seconds=desk.settings.refresh_token_seconds),
        ended_at=None,
    )
    unit.change(person, last_seen_at=unit.now)
    unit.trail.actor_id = unit.trail.actor_id or person.id  # whoever proves who they are acts from here on
    return _tokens(desk, session, person.role, unit.now)


async def open_for(
    desk: Desk, unit: Unit, person_id: UUID, *, ticket_id: UUID | None = None, by_link: bool = False
) -> Opened:
    """Open a session for somebody who has proved who they are; with a ticket it sees that one alone.

    Raises WrongCredentials when they may not come in.
    """
    person = await unit.lock(_active, person_id)
    if person is None:
        raise WrongCredentials
    return _opened(desk, unit, person, ticket_id, by_link=by_link)


async def sign_in(desk: Desk, network: str, *, email: str, password: str) -> Opened:
    """Open a session by email address and password. Raises WrongCredentials, RateLimited, InvalidInput.

    Of one address only what is wrong counts; of a network all of it does, since each costs a lot of work.
    """
    address = _address(email)
    if len(password) > MOST_PASSWORD:
        raise WrongCredentials
    await attempts.take(desk.writes, attempts.SIGN_IN_BY_NETWORK, network)
    await attempts.take(desk.writes, attempts.SIGN_IN_BY_EMAIL, address)
    async with desk.writes.begin() as unit:
        person = await unit.read(people.by_email_for_anyone, address)
    known = person.password_hash if person is not None and person.active else None
    right = await verified(known or NOBODYS_HASH, password)
    if person is None or known is None or not right:
        raise WrongCredentials(person.id if person is not None else None)
    async with desk.writes.begin() as unit:
        row = await unit.lock(_active, person.id)
        if row is None or row.password_hash != known:  # shut out, or it is another password since
            raise WrongCredentials(person.id)
        await attempts.Attempts(unit, attempts.SIGN_IN_BY_EMAIL, address).give_back()
        return _opened(desk, unit, row, None, by_link=False)


async def verified(known: str, password: str) -> bool:
    """Whether this password is what was hashed."""

    def verify() -> bool:
        try:
            return _hasher.verify(known, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    async with _hashing:
        return await asyncio.to_thread(verify)


def hash_password(password: str) -> str:
    """What is stored of a password (argon2id)."""
    return _hasher.hash(password)


async def hashed(password: str) -> str:
    """The same, beside everything else that goes on."""
    async with _hashing:
        return await asyncio.to_thread(hash_password, password)


async def request_link(desk: Desk, network: str, *, email: str) -> str:
    """Mail a sign-in link to the address if somebody has it; gives the address as it was understood.

    Whether somebody has it is found out by a job, so neither this answer nor its time tells.
    """
    address = _address(email)
    await attempts.take(desk.writes, attempts.LINK_BY_NETWORK, network)
    await attempts.take(desk.writes, attempts.LINK_BY_EMAIL, address)
    async with desk.writes.begin() as unit:
        unit.enqueue(SendSignInLink(address))
        unit.trail.about(None, None, "Asked for a sign-in link.")
    return address


def _address(email: str) -> str:
    problems = Problems()
    address = email_address(problems, "email", email)
    problems.refuse()
    return address


async def send_link(unit: Unit, email: str) -> None:
    """Mail a sign-in link to whoever is active and has this address."""
    person = await unit.read(people.by_email_for_anyone, email)
    if person is not None and person.active:
        links.send(unit, person.id, MessageKind.SIGN_IN_LINK)


async def sign_in_with_link(desk: Desk, network: str, *, token: str) -> Opened:
    """Open a session by an emailed link, which is used up; by one about a ticket, which isn't, for that ticket alone.

    Raises WrongCredentials, RateLimited.
    """
    await attempts.take(desk.writes, attempts.TOKEN_BY_NETWORK, network)
    about = links.of_ticket(desk.signer, token)
    async with desk.writes.begin() as unit:
        if about is not None:
            person = await unit.lock(_active, about.person_id)  # whose address nobody changes meanwhile
            if person is None or not about.went_to(person.email):
                raise WrongCredentials
            if await unit.read(_requested, about.ticket_id, person.id) is None:
                raise WrongCredentials
            return _opened(desk, unit, person, about.ticket_id, by_link=False)
        return await open_for(desk, unit, await links.use(unit, desk.signer, token), by_link=True)


async def refresh(desk: Desk, network: str, *, token: str | None) -> Opened:
    """Trade a refresh token for new tokens. One that comes back a second time ends its session.

    Only what is wrong counts as an attempt: all who sit behind one address go on every few minutes. Raises
    WrongCredentials, RateLimited.
    """
    if not token:  # a page asks so whether somebody is signed in: nothing was tried
        raise WrongCredentials(noted=True)
    try:
        return await _refreshed(desk, token)
    except WrongCredentials:
        await attempts.take(desk.writes, attempts.TOKEN_BY_NETWORK, network)
        raise


async def _refreshed(desk: Desk, token: str) -> Opened:
    try:
        claims = desk.signer.read(REFRESH, token)
    except BadToken:
        raise WrongCredentials from None
    async with desk.writes.begin() as unit:
        session = await unit.lock(_one, UUID(claims["sid"]))
        person = await unit.read(_active, session.person_id) if session is not None else None
        if session is None or person is None or session.ended_at is not None or session.expires_at <= unit.now:
            raise WrongCredentials
        reused = claims["number"] != session.refresh_count
        if reused:
            unit.trail.action = "tokenReused"
            unit.trail.summary = "A refresh token came back a second time: its session was ended."
            end(unit, [session])
            account_letters.owe(unit, MessageKind.SESSION_ENDED, person)
        else:
            unit.change(session, refresh_count=session.refresh_count + 1)
            opened = _tokens(desk, session, person.role, unit.now)
    if reused:  # said only now, since the end of the session must be written
        raise WrongCredentials(noted=True)
    return opened


async def sign_out(unit: Unit, viewer: Viewer, session_id: UUID | None, *, everywhere: bool) -> int:
    """End this session, or all of the viewer's; gives how many ended."""
    access.sign_in_required(viewer)
    if viewer.scope is not None:
        access.require_person(viewer)
    if everywhere:
        access.require_account(viewer)
        rows = await unit.lock_all(_open_ones, viewer.id, unit.now)
    else:
        row = await unit.lock(_one, session_id) if session_id is not None else None
        rows = [row] if row is not None and row.ended_at is None else []
    end(unit, rows)
    return len(rows)


def end(unit: Unit, rows: list[Session]) -> None:
    """End these sessions; their access tokens and sockets end at once."""
    for row in rows:
        unit.change(row, ended_at=unit.now)
    if rows:
        unit.publish(CHANNEL, ",".join(str(row.id) for row in rows))


async def end_all(unit: Unit, person_id: UUID, *, but: UUID | None = None) -> None:
    """End all sessions of somebody; `but`: all others than this one."""
    end(unit, [row for row in await unit.lock_all(_open_ones, person_id, unit.now) if row.id != but])


async def end_mailed(unit: Unit, person_id: UUID) -> None:
    """End the sessions of somebody that emailed links have opened: who reads their mail of before may be another."""
    end(unit, await unit.lock_all(_mailed_ones, person_id, unit.now))


KEPT = dt.timedelta(days=30)


def _old(moment: Any) -> sa.Delete:
    return sa.delete(Session).where(Session.expires_at < moment)


def _old_links(moment: Any) -> sa.Delete:
    return sa.delete(SignInLink).where(SignInLink.expires_at < moment)


async def sweep(desk: Desk) -> None:
    """Forget sessions, and links to sign in, that ended by themselves a month ago."""
    for old in (_old, _old_links):
        await desk.writes.forget(old, now() - KEPT)
