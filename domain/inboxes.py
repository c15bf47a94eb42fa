"""What people are told in the app: it is written into their inboxes, and they say what they have read."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import access
from domain.access import Viewer
from domain.refusals import InvalidInput
from infra.unit import Unit
from models import Inbox, Notification, NotificationKind

CHANNEL = "person"  # with the person's id behind a colon: where it is told that they have news
MOST_IDS = 100
NONE = UUID(int=0)


def channel(person_id: Any) -> str:
    """Where it is told that somebody has news."""
    return f"{CHANNEL}:{person_id}"


def _told(moment: Any, *columns: Any) -> Any:
    """Writes what may be very many rows: a department and what happened to a hundred tickets. Gives whom it told.

    Counters are taken in one order, so that two who tell the same people can't wait for each other.
    """
    names = ["person_id", "kind", "cause_id", "ticket_id", "actor_id"]
    news = func.unnest(*columns).table_valued(*names, with_ordinality="place").render_derived(name="news")
    known = sa.exists().where(
        Notification.person_id == news.c.person_id,
        Notification.cause_id == news.c.cause_id,
        sa.cast(Notification.kind, sa.Text) == news.c.kind,
    )
    nth = func.row_number().over(partition_by=news.c.person_id, order_by=news.c.place).label("nth")
    count = func.count().over(partition_by=news.c.person_id).label("count")
    fresh = select(*news.c, nth, count).where(~known).cte("fresh")
    one_each = select(fresh.c.person_id, fresh.c.count, fresh.c.count).distinct().order_by(fresh.c.person_id)
    counters = insert(Inbox).from_select(["person_id", "last_seq", "unread_count"], one_each)
    counted = (
        counters.on_conflict_do_update(
            index_elements=[Inbox.person_id],
            set_={
                "last_seq": Inbox.last_seq + counters.excluded.last_seq,
                "unread_count": Inbox.unread_count + counters.excluded.unread_count,
            },
        )
        .returning(Inbox.person_id, Inbox.last_seq)
        .cte("counted")
    )
    given = {
        "id": func.uuidv7(),
        "person_id": fresh.c.person_id,
        "seq": counted.c.last_seq - fresh.c.count + fresh.c.nth,
        "kind": fresh.c.kind,
        "cause_id": fresh.c.cause_id,
        "ticket_id": func.nullif(fresh.c.ticket_id, NONE),
        "actor_id": func.nullif(fresh.c.actor_id, NONE),
        "at": moment,
    }
    rows = select(*given.values()).join_from(fresh, counted, counted.c.person_id == fresh.c.person_id)
    written = insert(Notification).from_select(list(given), rows.order_by(fresh.c.place)).cte("written")
    return select(counted.c.person_id).add_cte(written)


class News(NamedTuple):
    """What one person is told: the event that it tells of, what that is to them, and who did it."""

    person_id: UUID
    kind: NotificationKind
    cause_id: UUID
    ticket_id: UUID | None = None
    actor_id: UUID | None = None


async def tell(unit: Unit, news: Sequence[News]) -> None:
    """Tell people in the app, in this order; each once of the same cause and kind, however often this is called."""
    if not news:
        return
    # A list of values holds no NULL.
    rows = [(each.person_id, each.kind.name, *(key or NONE for key in each[2:])) for each in news]
    for record in await unit.run(_told, unit.now, *(list(column) for column in zip(*rows, strict=True))):
        unit.publish(channel(record["person_id"]))


def _inbox(person_id: Any) -> Select[Inbox]:
    return select(Inbox).where(Inbox.person_id == person_id)


def _mark(person_id: Any, moment: Any, condition: Any, *, read: bool) -> sa.Update:
    unread = Notification.read_at.is_(None)
    return (
        sa.update(Notification)
        .where(Notification.person_id == person_id, unread if read else sa.not_(unread), condition)
        .values(read_at=moment if read else None)
        .returning(Notification.id)
    )


def _mark_some(person_id: Any, moment: Any, ids: Any, read: bool) -> sa.Update:  # noqa: FBT001 # a builder's arguments stand in order
    return _mark(person_id, moment, Notification.id == func.any(ids), read=read)


def _mark_of_ticket(person_id: Any, moment: Any, ticket_id: Any, read: bool) -> sa.Update:  # noqa: FBT001 # as above
    return _mark(person_id, moment, Notification.ticket_id == ticket_id, read=read)


def _mark_up_to(person_id: Any, moment: Any, up_to: Any, read: bool) -> sa.Update:  # noqa: FBT001 # as above
    return _mark(person_id, moment, Notification.at <= up_to, read=read)


async def mark(unit: Unit, viewer: Viewer, which: dict[str, Any], *, read: bool) -> None:
    """Mark the viewer's notifications as read, or not read again: `ids`, all of a `ticket_id`, or all `up_to` a moment.

    Ids that are not the viewer's change nothing, and look like those that never were.
    """
    access.require_account(viewer)
    ((choice, value),) = which.items()
    if choice == "ids":
        if len(value) > MOST_IDS:
            raise InvalidInput(("which.ids", f"At most {MOST_IDS} are possible."))
        if not value:
            return
    build = {"ids": _mark_some, "ticket_id": _mark_of_ticket, "up_to": _mark_up_to}[choice]
    inbox = await unit.lock(_inbox, viewer.id)
    if inbox is None:  # nothing was ever told them
        return
    count = len(await unit.run(build, viewer.id, unit.now, value, read))
    if count:
        unit.change(inbox, unread_count=inbox.unread_count + (-count if read else count))
        unit.publish(channel(viewer.id))
