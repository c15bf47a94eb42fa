"""A director's dashboard as one page that needs nothing else: the same figures that the API gives, drawn."""

import datetime as dt
from collections.abc import Callable, Sequence
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import orjson

from domain import refusals
from domain.access import Viewer
from infra.desk import Desk
from infra.ids import new_id
from infra.logs import report
from infra.settings import Settings
from models import Role
from planner.engine import Engine
from resolvers.root import schema
from schema.context import Context

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 200, 46, 24
DASHES = "", ' stroke-dasharray="9 3"'  # of lines in turn
VALUES = """submittedCount resolvedCount reopenedCount backlogCount replyCount
  firstResponse { count medianSeconds p90Seconds averageSeconds }
  resolution { count medianSeconds p90Seconds averageSeconds }
  satisfaction { ratingCount averageRating satisfiedShare ratingCounts responseShare }
  sla { metShare } escalations { count teamLeadCount managerCount directorCount } deflectionCount"""
FIGURES = f"""query Report($filter: MetricsFilter!, $interval: MetricInterval!) {{
  desk {{ name }} metrics(filter: $filter) {{ from to computedAt total {{ {VALUES} }} previous {{ {VALUES} }}
  series(interval: $interval, timeZone: "UTC") {{ from values {{ {VALUES} }} }}
  byDepartment(first: 20) {{ department {{ name }} values {{ {VALUES} }} }}
  byAgent(first: 20) {{ agent {{ name }} values {{ {VALUES} }} }}
  byCategory(first: 20) {{ category {{ name }} values {{ {VALUES} }} }}
  byPriority {{ priority values {{ {VALUES} }} }} }} }}"""
# From so many days on a period is longer, so that a plot stays readable.
INTERVALS = ((3, "HOUR"), (100, "DAY"), (400, "WEEK"))
_pages = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


class Tile(NamedTuple):
    """A figure of the whole span beside that of the span before it."""

    name: str
    value: str
    before: str
    change: str = ""
    better: bool | None = None  # whether the change is good; None: there is none, or it is neither


class Line(NamedTuple):
    """A line of a plot: its name, its colour, and a value for each period, None where there is none."""

    name: str
    colour: str
    values: list[float | None]


async def written(settings: Settings, days: int) -> str:
    """The page, of so many days up to now. Raises RuntimeError when there are no figures."""
    async with Desk.open(settings) as desk:
        engine = Engine(schema, desk.reads, refusals=refusals.Refusal, report=report, given=desk)
        viewer = Viewer(Role.DIRECTOR, new_id())
        interval = next((name for most, name in INTERVALS if days <= most), "MONTH")
        start = _beginning(dt.datetime.now(dt.UTC) - dt.timedelta(days=days), interval)
        variables = {"filter": {"from": start.isoformat()}, "interval": interval}
        answer = await engine.query(FIGURES, variables, None, viewer, Context(desk, engine, viewer))
    found = orjson.loads(answer.body)
    if found.get("errors"):
        raise RuntimeError(found["errors"][0]["message"])
    return _page(found["data"], interval)


def _beginning(moment: dt.datetime, interval: str) -> dt.datetime:
    """The beginning of its period: half a one at the left of a plot looks like a bad one."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if interval == "HOUR":
        return hour
    day = hour.replace(hour=0)
    return {"DAY": day, "WEEK": day - dt.timedelta(days=day.weekday()), "MONTH": day.replace(day=1)}[interval]


def _page(data: dict[str, Any], interval: str) -> str:
    metrics = data["metrics"]
    series = metrics["series"]
    values = [each["values"] for each in series]
    labels = [each["from"][:16].replace("T", " ") if interval == "HOUR" else each["from"][:10] for each in series]
    plots: list[tuple[str, list[Line], float | None]] = [
        (
            "Tickets",
            [
                Line("submitted", "#1f5fd1", [each["submittedCount"] for each in values]),
                Line("resolved", "#15803d", [each["resolvedCount"] for each in values]),
            ],
            None,
        ),
        ("Backlog", [Line("unresolved", "#c2410c", [each["backlogCount"] for each in values])], None),
        (
            "Hours to the first answer and to the solution, median",
            [
                Line("first answer", "#1f5fd1", [_hours(each["firstResponse"]["medianSeconds"]) for each in values]),
                Line("solution", "#15803d", [_hours(each["resolution"]["medianSeconds"]) for each in values]),
            ],
            None,
        ),
        (
            "Satisfied customers and targets met, %",
            [
                Line("satisfied", "#7c3aed", [_percent(each["satisfaction"]["satisfiedShare"]) for each in values]),
                Line("targets met", "#0e7490", [_percent(each["sla"]["metShare"]) for each in values]),
            ],
            100,
        ),
    ]
    splits = [
        ("Departments", [(each["department"]["name"], each["values"]) for each in metrics["byDepartment"]]),
        ("Agents", [(each["agent"]["name"], each["values"]) for each in metrics["byAgent"]]),
        ("Categories", [(each["category"]["name"], each["values"]) for each in metrics["byCategory"]]),
        ("Priorities", [(each["priority"].capitalize(), each["values"]) for each in metrics["byPriority"]]),
    ]
    page = _pages.get_template("report.html")
    tiles = _tiles(metrics["total"], metrics["previous"])
    given = metrics["total"]["satisfaction"]["ratingCounts"]
    return page.render(
        desk=data["desk"]["name"],
        metrics=metrics,
        tiles=tiles,
        ratings=[(stars, given[stars - 1], given[stars - 1] / max(*given, 1)) for stars in (5, 4, 3, 2, 1)],
        plots=[(title, plot(title, labels, *lines, most=most)) for title, lines, most in plots],
        splits=splits,
        lasted=lasted,
        share=_share,
    )


def _tiles(now: dict[str, Any], before: dict[str, Any]) -> list[Tile]:
    """What a director looks at first."""

    def tile(name: str, shown: Callable[[Any], str], *path: str, good: int) -> Tile:
        """`good`: 1 when more is better, -1 when less is, 0 when neither."""
        value: Any = now
        was: Any = before
        for key in path:
            value, was = value[key], was[key]
        change = change_of(value, was, points=shown is _share)
        better = change[0] == ("+" if good > 0 else "-") if change and good else None
        return Tile(name, shown(value), shown(was), change, better)

    return [
        tile("Submitted", _count, "submittedCount", good=0),
        tile("Resolved", _count, "resolvedCount", good=1),
        tile("Backlog", _count, "backlogCount", good=-1),
        tile("Opened again", _count, "reopenedCount", good=-1),
        tile("Escalated", _count, "escalations", "count", good=-1),
        tile("Saved by articles", _count, "deflectionCount", good=1),
        tile("First answer, median", lasted, "firstResponse", "medianSeconds", good=-1),
        tile("First answer, 9 of 10", lasted, "firstResponse", "p90Seconds", good=-1),
        tile("Solution, median", lasted, "resolution", "medianSeconds", good=-1),
        tile("Solution, 9 of 10", lasted, "resolution", "p90Seconds", good=-1),
        tile("Satisfied", _share, "satisfaction", "satisfiedShare", good=1),
        tile("Targets met", _share, "sla", "metShare", good=1),
    ]


def change_of(value: float | None, was: float | None, *, points: bool) -> str:
    """How much it went up or down: in percent, for shares in points; nothing where that is nothing, or says nothing."""
    if value is None or was is None or not (was or points):
        return ""
    change = round((value - was) * 100) if points else round((value - was) / was * 100)
    return f"{change:+,d} {'points' if points else '%'}" if change else ""


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _hours(seconds: int | None) -> float | None:
    return None if seconds is None else seconds / 3600


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"


def lasted(seconds: int | None) -> str:
    """A duration in the two largest units that it has."""
    if seconds is None:
        return "-"
    if seconds < 60:  # noqa: PLR2004 # a minute
        return f"{seconds} s"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    parts = [(days, "d"), (hours, "h"), (rest // 60, "min")]
    first = next(place for place, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)


def plot(title: str, labels: Sequence[str], *lines: Line, most: float | None = None) -> str:
    """Lines over periods, as SVG; dotted to the last one, which is not over yet.

    The second is dashed, for whoever sees no colours.

    `most`: the top of the scale; None: what the largest value needs.
    """
    top = most or _round(max((value for line in lines for value in line.values if value is not None), default=1) or 1)
    step = (WIDTH - LEFT - 10) / max(len(labels) - 1, 1)

    def place(number: int, value: float) -> str:
        return f"{LEFT + number * step:.1f},{HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 10):.1f}"

    span = f", {labels[0]} to {labels[-1]}" if labels else ""
    label = escape(f"{title}: {', '.join(line.name for line in lines)}{span}")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" font-size="11" font-family="sans-serif">'
    ]
    for share in (0, 0.5, 1):
        y = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 10)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#6b7280">{_number(top * share)}</text>',
        ]
    for number in sorted({0, len(labels) // 2, len(labels) - 1} if labels else set()):
        anchor = "start" if number == 0 else "end" if number == len(labels) - 1 else "middle"
        text = f'<text x="{LEFT + number * step:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}" fill="#6b7280">'
        parts.append(f"{text}{labels[number]}</text>")
    for line, dashes in zip(lines, cycle(DASHES)):
        known = [(number, place(number, value)) for number, value in enumerate(line.values) if value is not None]
        over = [point for number, point in known if number < len(labels) - 1]
        pen = f'fill="none" stroke="{line.colour}" stroke-width="2"'
        parts.append(f'<polyline points="{" ".join(over)}"{dashes} {pen}/>')
        numbers = {number for number, _ in known}
        for number, point in known:
            if not numbers & {number - 1, number + 1}:  # a line of one point draws nothing
                across, down = point.split(",")
                parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{line.colour}"/>')
        if len(known) > len(over):
            rest = [*over[-1:], known[-1][1]]
            parts.append(f'<polyline points="{" ".join(rest)}" stroke-dasharray="2 3" {pen}/>')
    key = "".join(
        f'<span style="color:{line.colour};border-bottom:2px {"dashed" if dashes else "solid"}">{line.name}</span> '
        for line, dashes in zip(lines, cycle(DASHES))
    )
    return f"<p class='key'>{key}</p>" + "".join([*parts, "</svg>"])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _round(value: float) -> float:
    """The next number above that is easy to read, and so is its half."""
    size = 10.0 ** (len(str(int(value))) - 1)
    tops = (size * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return next(top for top in tops if value <= top and top % 2 == 0)
