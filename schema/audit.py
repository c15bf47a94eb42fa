"""The audit log as the API shows it."""

import datetime as dt
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
import strawberry

import models
from domain import audit
from domain.access import Viewer
from infra.auditing import MOST_CHANGES, table_name
from models.audit import AUDITED
from planner.errors import BadRequest
from planner.fields import Computed, attribute, computed, input_field, planned
from planner.nodes import Node, NodeId, OneOf, stored
from schema.inputs import given
from schema.nodes import LOOKUPS
from schema.people import Person
from schema.times import TimeRange, span


class Change(NamedTuple):
    """One change, as an entry keeps it."""

    field: str
    before: str | None
    after: str | None


@strawberry.type(description="One change within an audit entry.")
class AuditChange:
    field: str = attribute("Name of the field.")
    before: str | None = attribute("Value before, as text; null when none.")
    after: str | None = attribute("Value after, as text; null when none.")


def _changes(_given: Any, changes: str) -> list[Change]:
    return [Change(**change) for change in orjson.loads(changes)]


@stored(models.AuditEntry, "aud")
@strawberry.type(description="One entry of the audit log. It only grows.")
class AuditEntry(Node):
    at: dt.datetime = attribute("When.")
    actor: Person | None = attribute("Who; null when nobody was signed in or Deskwire acted by itself.")
    action: str = attribute("What was done: the mutation's name, or signInRefused, tokenReused and the like.")
    summary: str = attribute("In one sentence.")
    ip_address: str | None = attribute("Network address it came from; null when Deskwire acted by itself.")

    @planned("To what; null when to nothing in particular, or it's gone.")
    def subject(entry: models.AuditEntry, viewer: Viewer) -> Node | None:
        return OneOf(
            {
                model: LOOKUPS[model](viewer, entry.subject_id).where(
                    sa.literal(table_name(model)) == entry.subject_table
                )
                for model in LOOKUPS
                if model in AUDITED
            }
        )

    @computed("What changed, at most 100; values that are secret are left out.", most=MOST_CHANGES)
    def changes(entry: models.AuditEntry, viewer: Viewer) -> list[AuditChange]:
        return Computed(_changes, sa.cast(entry.changes, sa.Text()))


@strawberry.input(description="Which audit entries to list. All conditions given must hold.")
class AuditFilter:
    actor_id: NodeId | None = input_field("By this person.")
    subject_id: NodeId | None = input_field("To this object.")
    actions: list[str] | None = input_field("One of these actions, at most 50.", most=audit.MOST_ACTIONS)
    within: TimeRange | None = input_field("Within.")

    def conditions(self) -> audit.Conditions:
        """The conditions that are given."""
        actor, subject = given(self.actor_id), given(self.subject_id)
        if subject is not None and subject.model is None:
            raise BadRequest("This is not an id.")
        return audit.Conditions(
            actor_id=None if actor is None else actor.of(models.Person),
            subject=None if subject is None or subject.model is None else (subject.model, subject.key),
            actions=given(self.actions),
            within=span(self.within),
        )
