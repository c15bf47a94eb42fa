"""The audit log: who reads it, and what is written there of those who were not let in."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access
from domain.access import Viewer
from domain.refusals import WrongCredentials
from domain.spans import within
from infra.auditing import table_name
from infra.desk import Desk
from models import AuditEntry, Person, Role

MOST_ACTIONS = 50
NOT_LET_IN = "signInRefused", "Somebody was not let in: what they offered was not right."
NOT_DONE = {  # where those who tried were in already
    "setPassword": (
        "setPasswordRefused",
        "A password stays as it was: the present one that was offered was not right.",
    ),
}

# --- Reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which entries to list: all that is given must hold."""

    actor_id: Any = None
    subject: tuple[type, Any] | None = None  # a model and a key
    actions: Any = None
    within: tuple[Any, Any] = (None, None)


def visible(viewer: Viewer) -> Select[AuditEntry]:
    """All entries, for admins. Raises NotAllowed."""
    access.require(viewer, Role.ADMIN)
    return select(AuditEntry)


def seen(viewer: Viewer) -> Select[AuditEntry]:
    """The entries where an id names one; none for those who are no admins."""
    rows = select(AuditEntry)
    return rows if viewer.has(Role.ADMIN) else rows.where(sa.false())


def listed(viewer: Viewer, asked: Conditions) -> Select[AuditEntry]:
    """The entries for which all conditions hold."""
    rows = visible(viewer)
    if asked.actor_id is not None:
        rows = rows.where(AuditEntry.actor_id == asked.actor_id)
    if asked.subject is not None:
        model, key = asked.subject
        rows = rows.where(AuditEntry.subject_id == key, AuditEntry.subject_table == table_name(model))
    if asked.actions is not None:
        rows = rows.where(AuditEntry.action == sa.func.any(asked.actions))
    return within(rows, AuditEntry.at, asked.within)


# --- Writing ----------------------------------------------------------------------------------------------------------


async def refused(desk: Desk, refusal: WrongCredentials) -> None:
    """Keep that what was offered was not right. Which address was tried is not kept, only whose account, if any."""
    if refusal.noted:
        return
    async with desk.writes.begin() as unit:
        unit.trail.action, sentence = NOT_DONE.get(unit.trail.action, NOT_LET_IN)
        table = None if refusal.person_id is None else table_name(Person)
        unit.trail.about(table, refusal.person_id, sentence)
