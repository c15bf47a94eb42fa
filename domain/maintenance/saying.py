"""What a notice says to one reader: its message with times by their clock, in their language."""

import datetime as dt
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import maintenance, templates, words
from domain.access import Viewer
from domain.wording import Wording, marked
from infra.desk import Desk
from models import (
    HappeningKind,
    MaintenanceHappening,
    MaintenanceNotice,
    MaintenanceService,
    MaintenanceSeverity,
    MaintenanceStatus,
    Person,
    Service,
)

# What is told of what happened: by its kind, and of updates by the state from then on.
TITLES = {
    HappeningKind.ANNOUNCED: marked("Planned maintenance: {title}"),
    HappeningKind.CHANGED: marked("Maintenance has changed: {title}"),
    HappeningKind.REMINDED: marked("Maintenance begins soon: {title}"),
    MaintenanceStatus.SCHEDULED: marked("News of maintenance: {title}"),
    MaintenanceStatus.IN_PROGRESS: marked("Maintenance is going on: {title}"),
    MaintenanceStatus.COMPLETED: marked("Maintenance is done: {title}"),
    MaintenanceStatus.CANCELLED: marked("Maintenance was cancelled: {title}"),
}
TIMES = marked("From {start} to {end}. Services: {services}.")
HINDERS = {
    MaintenanceSeverity.INFO: marked("Nothing of it will be noticed."),
    MaintenanceSeverity.MINOR: marked("Some things will be slower or missing."),
    MaintenanceSeverity.MAJOR: marked("Important things will not work."),
    MaintenanceSeverity.CRITICAL: marked("Nothing will work."),
}
MOST_SAID = 200  # characters of a message that a notification quotes
MOST_READ = 1_000  # of its Markdown, which has more of them
MOST_RENDERED = 100  # messages as HTML, each of some 10,000 characters at most
UNSEEN = marked("Maintenance")  # to whoever may not see any more what it was

# --- A notice ---------------------------------------------------------------------------------------------------------


def facts(viewer: Viewer, notice: Any) -> tuple[Any, ...]:
    """The columns that `message_of` and `html_of` are made of."""
    reader = select(Person).where(Person.id == viewer.id)
    locale, zone = (reader.with_only_columns(column).scalar_subquery() for column in (Person.locale, Person.time_zone))
    return (notice.message, seconds(_begins(notice)), seconds(_ends(notice)), names(notice), locale, zone)


def _begins(notice: Any) -> Any:
    """When it begins as planned, or began before that."""
    return func.least(notice.starts_at, notice.started_at)


def _ends(notice: Any) -> Any:
    """When it ended, if it had begun; until then, and for what never began, when it was planned to."""
    return sa.case((notice.started_at.is_(None), notice.ends_at), else_=func.coalesce(notice.ended_at, notice.ends_at))


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
    return templates.written(message, _known(Wording(locale, zone), moment_of(starts), moment_of(ends), names))


def html_of(desk: Desk, *columns: Any) -> str:
    """The same as HTML."""
    return _rendered(message_of(desk, *columns))


@lru_cache(MOST_RENDERED)
def _rendered(message: str) -> str:
    """The message as HTML, which is made once for all who read the same words: a page may ask for it at every visit."""
    return words.html(message)


def _known(w: Wording, starts_at: dt.datetime, ends_at: dt.datetime, names: str) -> dict[str, str]:
    return {"startsAt": w.moment(starts_at), "endsAt": w.moment(ends_at), "services": names}


def _known_of(w: Wording, fact: Any) -> dict[str, str]:
    return _known(w, moment_of(fact["starts"]), moment_of(fact["ends"]), fact["services"])


def filled(w: Wording, fact: Any) -> tuple[str, str]:
    """The notice's message in the reader's words, as text and as HTML; `fact`: a row of `of`."""
    known = _known_of(w, fact)
    return templates.filled(fact["message"], known), _rendered(templates.written(fact["message"], known))


# --- What happened to one ---------------------------------------------------------------------------------------------


def of(viewer: Viewer, happening_id: Any) -> Select[*tuple[Any, ...]]:
    """What is said of something that happened, for whoever can see its notice."""
    notice, happening = MaintenanceNotice, MaintenanceHappening
    rows = maintenance.visible(viewer).join(happening, happening.notice_id == notice.id)
    return rows.where(happening.id == happening_id).with_only_columns(
        notice.title,
        notice.message,
        sa.cast(notice.severity, sa.Text).label("severity"),
        sa.cast(notice.status, sa.Text).label("notice_status"),
        seconds(_begins(notice)).label("starts"),
        seconds(_ends(notice)).label("ends"),
        names(notice).label("services"),
        sa.cast(happening.kind, sa.Text).label("kind"),
        sa.cast(happening.status, sa.Text).label("status"),
        happening.message.label("said"),
        happening.message_html.label("said_html"),
        func.coalesce(happening.at > notice.ended_at, sa.false()).label("after_its_end"),
        maintain_column_froms=True,
    )


def notice_of(viewer: Viewer, happening_id: Any) -> Select[MaintenanceNotice]:
    """The notice that something happened to, if the viewer can see it."""
    happening = MaintenanceHappening
    rows = maintenance.visible(viewer).join(happening, happening.notice_id == MaintenanceNotice.id)
    return rows.where(happening.id == happening_id)


def told(viewer: Viewer, happening_id: Any) -> Any:
    """What a notification says of it, as JSON in a text that `in_app` reads; NULL without sight of it."""
    found = of(viewer, happening_id).subquery("happened")
    return select(sa.cast(func.to_jsonb(sa.literal_column("happened")), sa.Text)).select_from(found).scalar_subquery()


def title_of(w: Wording, fact: Any) -> str:
    """One line on what happened; `fact`: a row of `of`."""
    kind: HappeningKind | MaintenanceStatus = HappeningKind[fact["kind"]]
    if kind is HappeningKind.POSTED:  # words that come after the end do not end it once more
        kind = MaintenanceStatus.SCHEDULED if fact["after_its_end"] else MaintenanceStatus[fact["status"]]
    return w.said(TITLES[kind], title=fact["title"])


def times_of(w: Wording, fact: Any) -> str:
    """When it is, and what it concerns."""
    start, end = (w.moment(moment_of(fact[name])) for name in ("starts", "ends"))
    return w.said(TIMES, start=start, end=end, services=fact["services"])


def hinders_of(w: Wording, fact: Any) -> str:
    """How much it will hinder its readers."""
    return w.said(HINDERS[MaintenanceSeverity[fact["severity"]]])


def title_in_app(about: str | None, locale: str | None) -> str:
    """The title of a notification."""
    w = Wording(locale)
    return w.said(UNSEEN) if about is None else title_of(w, orjson.loads(about))


def body_in_app(about: str | None, locale: str | None, zone: str | None) -> str | None:
    """Its text: what an email says, but of the notice's message the beginning; None without sight of it."""
    if about is None:
        return None
    w, fact = Wording(locale, zone), orjson.loads(about)
    lines = [times_of(w, fact)]
    if fact["said"]:
        lines.append(templates.plain(fact["said"]))
    elif fact["kind"] != HappeningKind.POSTED.name:
        # Filled in before it is cut short: half a placeholder is none.
        begins = templates.written(fact["message"], _known_of(w, fact))[:MOST_READ]
        lines += [hinders_of(w, fact), words.beginning(words.line_of(_rendered(begins)), MOST_SAID)]
    return "\n".join(lines)
