"""What must not happen twice: the first answer under a key is kept for a day, and repeated."""

import dataclasses
import datetime as dt
import hashlib
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from domain.refusals import Conflict, ConflictReason, InvalidInput
from infra.desk import Desk
from infra.postgres import Overtaken
from infra.unit import Unit, now
from models import IdempotencyKey

MOST_KEY = 64
KEPT = dt.timedelta(hours=24)


def _claim(person_id: Any, mutation: Any, key: Any, digest: Any, moment: Any) -> Any:
    fresh = insert(IdempotencyKey).values(
        person_id=person_id, mutation=mutation, key=key, input_hash=digest, answer=None, created_at=moment
    )
    return fresh.on_conflict_do_nothing().returning(IdempotencyKey)


def _one(person_id: Any, mutation: Any, key: Any) -> Select[IdempotencyKey]:
    return select(IdempotencyKey).where(
        IdempotencyKey.person_id == person_id, IdempotencyKey.mutation == mutation, IdempotencyKey.key == key
    )


async def claim(
    unit: Unit, person_id: UUID, mutation: str, key: str, digest: bytes
) -> tuple[IdempotencyKey, dict[str, Any] | None]:
    """The key's row, locked or new, and the answer that was given under it; None when this is the first time.

    A twin that is still under way is waited for; a unit that has not begun its transaction is Overtaken by one instead,
    and what it refuses may have been done by that meanwhile. `digest` is that of the input. Raises InvalidInput for a
    key that is none, Conflict KEY_REUSED when the key came with another input, and Overtaken when the key was forgotten
    at this very moment.
    """
    if not 1 <= len(key) <= MOST_KEY:
        raise InvalidInput(("idempotencyKey", f"A key has 1 to {MOST_KEY} characters."))
    if not unit.begun and await unit.read(_one, person_id, mutation, key) is None:
        unit.translate("idempotency_keys_pkey", Overtaken())
        its = {"person_id": person_id, "mutation": mutation, "key": key, "input_hash": digest}
        return unit.insert(IdempotencyKey, **its, answer=None, created_at=unit.now), None
    fresh = await unit.run(_claim, person_id, mutation, key, digest, unit.now)
    if fresh:
        return unit.row(IdempotencyKey, fresh[0]), None
    row = await unit.lock(_one, person_id, mutation, key)
    if row is None:  # it was forgotten just now
        raise Overtaken
    if row.created_at <= unit.now - KEPT:
        unit.change(row, input_hash=digest, created_at=unit.now)
        return row, None
    if bytes(row.input_hash) != digest:
        raise Conflict(ConflictReason.KEY_REUSED, "This idempotency key was used before with another input.")
    return row, row.answer


def remember(unit: Unit, row: IdempotencyKey, answer: dict[str, Any]) -> None:
    """Keep the answer: a type and its ids, no words."""
    unit.change(row, answer=answer)


def share(unit: Unit, row: IdempotencyKey, person_id: UUID, answer: dict[str, Any]) -> None:
    """Keep the answer for this one as well, under the same key."""
    its = {"mutation": row.mutation, "key": row.key, "input_hash": row.input_hash}
    unit.insert(IdempotencyKey, person_id=person_id, **its, answer=answer, created_at=unit.now)


def digest_of(given: Any) -> bytes:
    """What tells an input, a dataclass of plain values, from others."""
    plain = {f.name: getattr(given, f.name) for f in dataclasses.fields(given)}
    return hashlib.sha256(orjson.dumps(plain, default=repr, option=orjson.OPT_SORT_KEYS)).digest()


def _old(moment: Any) -> sa.Delete:
    return sa.delete(IdempotencyKey).where(IdempotencyKey.created_at <= moment)


async def sweep(desk: Desk) -> None:
    """Forget answers that are older than a day."""
    await desk.writes.forget(_old, now() - KEPT)
