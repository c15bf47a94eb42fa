"""Whom a notice reaches."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import maintenance
from domain.access import Viewer
from domain.messages import NOBODY_READS
from models import MaintenanceAudience, MessageChannel, NotificationKind, NotificationPreference, Person

KIND = NotificationKind.MAINTENANCE


def reach(viewer: Viewer, audience: MaintenanceAudience, service_ids: Any) -> Select[*tuple[Any, ...]]:
    """How many people a notice would reach now, and by which ways. Raises Unauthenticated, NotAllowed."""
    maintenance.require_manager(viewer)
    people = select(Person).where(Person.id.in_(maintenance.meant(audience, service_ids)))
    reads = sa.not_(sa.or_(*(Person.email.startswith(sa.literal_column(f"'{name}'")) for name in NOBODY_READS)))
    by_mail, in_app = (~unwanted(Person, channel) for channel in (MessageChannel.EMAIL, MessageChannel.IN_APP))
    return people.with_only_columns(
        func.count().label("person_count"),
        func.count().filter(sa.and_(by_mail, reads)).label("email_count"),
        func.count().filter(in_app).label("in_app_count"),
        maintain_column_froms=True,
    )


def unwanted(person: Any, channel: MessageChannel) -> Any:
    """Whether somebody has said that they want no news of maintenance by this channel."""
    own = NotificationPreference
    return sa.exists().where(
        own.person_id == person.id, own.kind == KIND, own.channel == channel, own.enabled.is_(False)
    )
