"""Tokens for programs, which act as their owners with the rights chosen."""

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import access, account_letters, words
from domain.access import Viewer
from domain.refusals import InvalidInput, NotAllowed, Problems
from domain.sessions import Bearer
from infra.desk import Desk
from infra.ids import new_id
from infra.signing import BadToken
from infra.unit import Unit, now
from models import ApiToken, ApiTokenScope, MessageKind, Person, Role

PREFIX: Final = "dwt_"  # so that people, and programs that look for leaked secrets, know what it is
HINT_CHARACTERS = 8
RANDOM_BYTES = 32
CHARACTERS = len(PREFIX) + 43
CHANNEL = "api-tokens"  # where tokens are named that ended, or whose owner has other rights now
MOST_TOKENS = 50
MOST_NAME = 100
LONGEST = dt.timedelta(days=365)
USUAL = dt.timedelta(days=90)
LOOK_SECONDS = 10  # for so long a token is believed without a look
KEPT = dt.timedelta(days=30)

# --- Reading ----------------------------------------------------------------------------------------------------------


def seen(viewer: Viewer) -> Select[ApiToken]:
    """The tokens that this viewer may know of: their own; admins all."""
    rows = select(ApiToken).where(ApiToken.revoked_at.is_(None))
    if viewer.role is None or viewer.ticket_id is not None:
        return rows.where(sa.false())
    return rows if viewer.has(Role.ADMIN) else rows.where(ApiToken.owner_id == viewer.id)


def one(viewer: Viewer, token_id: Any) -> Select[ApiToken]:
    """The token, if the viewer may know of it."""
    return seen(viewer).where(ApiToken.id == token_id)


def own(viewer: Viewer, person_id: Any) -> Select[ApiToken]:
    """The viewer's own, newest first."""
    rows = seen(viewer).where(ApiToken.owner_id == person_id)
    return rows.order_by(ApiToken.id.desc()).limit(MOST_TOKENS)


def _owned(person_id: Any) -> Select[ApiToken]:
    rows = select(ApiToken).where(ApiToken.owner_id == person_id, ApiToken.revoked_at.is_(None))
    return rows.order_by(ApiToken.id)


def _owner(viewer: Viewer) -> Select[Person]:
    """The viewer, if they are still who they were when they came; of the row itself, which may be waited for."""
    return select(Person).where(Person.id == viewer.id, Person.active, Person.role == viewer.role)


def _good(digest: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(ApiToken.id, ApiToken.scope, ApiToken.expires_at, ApiToken.last_used_at, Person.id, Person.role)
        .join(Person, Person.id == ApiToken.owner_id)
        .where(ApiToken.digest == digest, ApiToken.revoked_at.is_(None), ApiToken.expires_at > func.now())
        .where(Person.active)
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def is_one(token: str) -> bool:
    """Whether it looks like a token for a program."""
    return token.startswith(PREFIX)


async def bearer(desk: Desk, token: str) -> Bearer:
    """Whom a program's token stands for, to be looked up again soon; notes the hour. Raises BadToken, Unavailable.

    It is found by its digest, so how long that takes tells nothing of any token.
    """
    if len(token) != CHARACTERS:
        raise BadToken("No token for a program has this length.")
    records = await desk.writes.read(_good, _digest(token))
    if not records:
        raise BadToken("There is no such token, or not any more.")
    token_id, scope, expires_at, last_used_at, person_id, role = records[0]
    moment = now()
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if last_used_at is None or last_used_at < hour:
        await desk.writes.alone(_used, token_id, hour)
    until = min(expires_at, moment + dt.timedelta(seconds=LOOK_SECONDS))
    return Bearer(Viewer(Role[role], person_id, scope=ApiTokenScope[scope]), token_id, until, again=token)


def _used(token_id: Any, hour: Any) -> sa.Update:
    late = sa.or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < hour)
    return sa.update(ApiToken).where(ApiToken.id == token_id, late).values(last_used_at=hour)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A new token."""

    id: UUID
    token: str  # told this once


async def create(
    unit: Unit, viewer: Viewer, *, name: str, scope: ApiTokenScope, expires_at: dt.datetime | None
) -> Made:
    """Make a token for a program of the viewer's. Raises InvalidInput, NotAllowed."""
    access.require_person(viewer)
    access.require(viewer, Role.AGENT)
    problems = Problems()
    said = words.line(problems, "name", name, most=MOST_NAME, what="The name")
    ends = unit.now + USUAL if expires_at is None else expires_at
    if ends <= unit.now:
        problems.add("expiresAt", "This moment has passed.")
    elif ends > unit.now + LONGEST:
        problems.add("expiresAt", "A token ends within a year.")
    problems.refuse()
    owner = await unit.lock(_owner, viewer)  # two at once count each other
    if owner is None:  # they were shut out or have another role since they asked
        raise NotAllowed
    if len(await unit.read_all(_owned, viewer.id)) >= MOST_TOKENS:
        raise InvalidInput(("name", f"At most {MOST_TOKENS} tokens are possible. Revoke one first."))
    token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    row = unit.insert(
        ApiToken,
        owner_id=viewer.id,
        name=said,
        hint=token[:HINT_CHARACTERS],
        digest=_digest(token),
        scope=scope,
        created_at=unit.now,
        last_used_at=None,
        expires_at=ends,
        revoked_at=None,
    )
    account_letters.owe(unit, MessageKind.TOKEN_MADE, owner, about=[row.id])
    return Made(row.id, token)


async def revoke(unit: Unit, viewer: Viewer, token_id: UUID) -> UUID:
    """End a token at once, with its sockets. Raises NotFound, NotAllowed."""
    access.require_person(viewer)
    row = access.found(await unit.lock(one, viewer, token_id), "apiTokenId", "token")
    unit.change(row, revoked_at=unit.now)
    _tell(unit, [row])
    return row.id


async def end_all(unit: Unit, person_id: UUID) -> None:
    """End all tokens of somebody."""
    rows = await unit.lock_all(_owned, person_id)
    for row in rows:
        unit.change(row, revoked_at=unit.now)
    _tell(unit, rows)


async def rights_changed(unit: Unit, person_id: UUID) -> None:
    """Have the tokens of somebody looked up anew, and their sockets begin anew."""
    _tell(unit, await unit.read_all(_owned, person_id))


def _tell(unit: Unit, rows: list[ApiToken]) -> None:
    """The message has an id of its own, since the process that it comes from hears it twice."""
    if rows:
        unit.publish(CHANNEL, ",".join(map(str, (new_id(), *(row.id for row in rows)))))


def _old(moment: Any) -> sa.Delete:
    return sa.delete(ApiToken).where(ApiToken.expires_at < moment)


async def sweep(desk: Desk) -> None:
    """Forget tokens that ended a month ago."""
    await desk.writes.forget(_old, now() - KEPT)
