"""What a notice says to one reader: its message with times by their clock, in their language."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy import func, select

from domain import templates, words
from domain.access import Viewer
from domain.wording import Wording
from infra.desk import Desk
from models import MaintenanceService, Person, Service


def facts(viewer: Viewer, notice: Any) -> tuple[Any, ...]:
    """The columns that `message_of` and `html_of` are made of."""
    reader = select(Person).where(Person.id == viewer.id)
    locale, zone = (reader.with_only_columns(column).scalar_subquery() for column in (Person.locale, Person.time_zone))
    return (notice.message, seconds(notice.starts_at), seconds(notice.ends_at), names(notice), locale, zone)


def seconds(moment: Any) -> Any:
    """A moment as a number, from which `moment_of` makes it again."""
    return sa.cast(func.extract("epoch", moment), sa.Float)


def moment_of(seconds: float) -> dt.datetime:
    """The moment of this number."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def names(notice: Any) -> Any:
    """The names of the services that a notice concerns, as one text."""
    rows = select(Service.name).join(MaintenanceService, MaintenanceService.service_id == Service.id)
    rows = rows.where(MaintenanceService.notice_id == notice.id).order_by(Service.name)
    return func.array_to_string(func.array(rows.scalar_subquery()), sa.literal_column("', '"))


def message_of(
    _desk: Desk, message: str, starts: float, ends: float, names: str, locale: str | None, zone: str | None
) -> str:
    """The message as Markdown, filled in for its reader."""
    return filled(Wording(locale, zone), message, moment_of(starts), moment_of(ends), names)


def html_of(desk: Desk, *columns: Any) -> str:
    """The same as HTML."""
    return words.html(message_of(desk, *columns))


def filled(w: Wording, message: str, starts_at: dt.datetime, ends_at: dt.datetime, names: str) -> str:
    """A message with these facts in the reader's words."""
    return templates.filled(message, {"startsAt": w.moment(starts_at), "endsAt": w.moment(ends_at), "services": names})
