"""What people want to be told of, and how: the defaults, and where somebody has said otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from domain import access
from domain.access import Viewer
from domain.refusals import Problems
from infra.unit import Unit
from models import MessageChannel, NotificationKind, NotificationPreference

# Of these, customers are never told.
STAFF_ALONE = frozenset(
    {
        NotificationKind.TICKET_SUBMITTED,
        NotificationKind.TRIAGE_NEEDED,
        NotificationKind.TICKET_ASSIGNED,
        NotificationKind.MENTIONED,
        NotificationKind.RESOLUTION_CONFIRMED,
        NotificationKind.SLA_AT_RISK,
        NotificationKind.SLA_BREACHED,
        NotificationKind.REVIEW_REQUESTED,
    }
)
# What everybody hears of in the app, but by email only who wants it: what concerns a whole department.
OFF = frozenset(
    {
        (NotificationKind.TICKET_SUBMITTED, MessageChannel.EMAIL),
        (NotificationKind.TRIAGE_NEEDED, MessageChannel.EMAIL),
    }
)
# What nobody can turn off: without it, an escalation would reach nobody, or a ticket close behind its customer's back.
LOCKED = frozenset(
    {
        (NotificationKind.TICKET_ESCALATED, MessageChannel.IN_APP),
        (NotificationKind.TICKET_RESOLVED, MessageChannel.EMAIL),
    }
)
MOST = 50  # that one mutation sets

Way = tuple[NotificationKind, MessageChannel]


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether somebody is told of one kind by one channel, as they asked for it."""

    kind: NotificationKind
    channel: MessageChannel
    enabled: bool

    @property
    def way(self) -> Way:
        """The kind and the channel."""
        return self.kind, self.channel


# --- Reading ----------------------------------------------------------------------------------------------------------


def ways(*, staff: bool) -> list[Way]:
    """Every kind and channel that concerns somebody, in one order."""
    kinds = [kind for kind in NotificationKind if staff or kind not in STAFF_ALONE]
    return [(kind, channel) for kind in kinds for channel in MessageChannel]


def listed(viewer: Viewer, person_id: Any) -> Select[*tuple[Any, ...]]:
    """What this person is told of, and how. A session for one ticket has no say."""
    rows = [
        (place, kind.name, channel.name, (kind, channel) not in OFF, (kind, channel) in LOCKED)
        for place, (kind, channel) in enumerate(ways(staff=viewer.is_staff))
    ]
    types = {"place": sa.Integer, "kind": sa.Text, "channel": sa.Text, "usual": sa.Boolean, "locked": sa.Boolean}
    columns: list[Any] = [sa.column(name, type_()) for name, type_ in types.items()]
    way = sa.values(*columns, name="way", literal_binds=True).data(rows)
    own = NotificationPreference
    said = sa.and_(
        own.person_id == person_id,
        sa.cast(own.kind, sa.Text) == way.c.kind,
        sa.cast(own.channel, sa.Text) == way.c.channel,
        ~way.c.locked,
    )
    enabled = func.coalesce(own.enabled, way.c.usual).label("enabled")
    found = select(way.c.kind, way.c.channel, enabled, way.c.locked).select_from(way.outerjoin(own, said))
    if viewer.ticket_id is not None:
        found = found.where(sa.false())
    return found.order_by(way.c.place)


def said_by(person: Any) -> Any:
    """What somebody has said, as texts that `wanted` reads."""
    own = NotificationPreference
    text = sa.cast(own.kind, sa.Text) + " " + sa.cast(own.channel, sa.Text) + " " + sa.cast(own.enabled, sa.Text)
    return func.array(select(text).where(own.person_id == person.id).scalar_subquery(), type_=ARRAY(sa.Text))


def wanted(said: Sequence[str], kind: NotificationKind, channel: MessageChannel) -> bool:
    """Whether somebody who has said this is told of the kind by the channel."""
    if (kind, channel) not in LOCKED:
        for enabled in (True, False):
            if f"{kind.name} {channel.name} {str(enabled).lower()}" in said:
                return enabled
    return (kind, channel) not in OFF


def by_channel(people: Sequence[Any], kind: NotificationKind) -> dict[MessageChannel, list[Any]]:
    """Who of these is told of the kind, by each channel; of each, what they have `said`."""
    return {channel: [each for each in people if wanted(each["said"], kind, channel)] for channel in MessageChannel}


# --- Writing ----------------------------------------------------------------------------------------------------------


def _set(person_id: Any, kinds: Any, channels: Any, enabled: Any) -> Any:
    given = func.unnest(kinds, channels, sa.cast(enabled, ARRAY(sa.Integer)))
    rows = given.table_valued("kind", "channel", "enabled").render_derived(name="given", with_types=False)
    own = NotificationPreference
    values: list[Any] = [person_id, rows.c.kind, rows.c.channel, sa.cast(rows.c.enabled, sa.Boolean)]
    made = insert(own).from_select(["person_id", "kind", "channel", "enabled"], select(*values).select_from(rows))
    keys = [own.person_id, own.kind, own.channel]
    return made.on_conflict_do_update(index_elements=keys, set_={"enabled": made.excluded.enabled}).returning(own.kind)


async def wish(unit: Unit, viewer: Viewer, wishes: Sequence[Wish]) -> list[dict[str, Any]]:
    """Set what the viewer is told of, and how; what isn't named stays. Gives all of it, as `listed`.

    Raises InvalidInput, NotAllowed.
    """
    access.require_account(viewer)
    problems = Problems()
    if not 1 <= len(wishes) <= MOST:
        problems.add("preferences", f"1 to {MOST} are possible.")
    problems.refuse()
    possible = ways(staff=viewer.is_staff)
    for number, each in enumerate(wishes):
        if each.way not in possible:
            problems.add(f"preferences.{number}.kind", "This is never told to somebody of your role.")
        elif each.way in LOCKED and not each.enabled:
            problems.add(f"preferences.{number}.enabled", "This can't be turned off.")
    problems.refuse()
    last = {each.way: each.enabled for each in wishes if each.way not in LOCKED}
    if last:
        kinds, channels = ([way[place].name for way in last] for place in (0, 1))
        await unit.run(_set, viewer.id, kinds, channels, [int(each) for each in last.values()])
    records = await unit.run(listed, viewer, viewer.id)
    return [
        {
            "kind": NotificationKind[record["kind"]],
            "channel": MessageChannel[record["channel"]],
            "enabled": record["enabled"],
            "locked": record["locked"],
        }
        for record in records
    ]


def _turn_off(person_id: UUID, kinds: Sequence[NotificationKind]) -> tuple[Any, ...]:
    off = [kind.name for kind in kinds if (kind, MessageChannel.EMAIL) not in LOCKED]
    return person_id, off, [MessageChannel.EMAIL.name] * len(off), [0] * len(off)


async def turn_off_mail(unit: Unit, person_id: UUID, kind: NotificationKind | None = None) -> None:
    """Send this person no more email of a kind; without one, no more than can't be turned off."""
    asked = _turn_off(person_id, list(NotificationKind) if kind is None else [kind])
    if asked[1]:
        await unit.run(_set, *asked)
