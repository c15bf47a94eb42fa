"""What was measured, as a table in the terminal, figures as JSON, a page, and a plot."""

import datetime as dt
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.operations import ALONE, AT_ONCE, TITLES

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = (
    "what", "at once", "server, µs", "floor's", "ratio", "database, µs", "floor's", "ratio", "both, ratio",
    "p50, ms", "p99, ms", "Mercurius, µs", "Mercurius / ours",
)  # fmt: skip
SIDES = {"ours": ("#1f5fd1", "#9dbcf2"), "floor": ("#6b7280", "#c9cdd3"), "node": ("#2f7d4f", "#a9d5b8")}
CPU = ("server", "database")  # of which a cost has two numbers
FONT = 'font-family="sans-serif" font-size="13"'
INTRODUCTION = """# What a request costs

`make bench` measures what a request costs in CPU beside the floor: an ASGI application that knows six operations by
their text, under the same server with the same settings, over asyncpg with prepared statements that were written by
hand, with the same rights in their `WHERE`. It parses the JSON, looks the token up in a dict, and does nothing else
that the answer does not need: no GraphQL, no validation, no limits, no metrics, no Redis. Nothing that answers the same
can cost much less, so the ratio says what Deskwire's generality costs.

{operations}

Both run at once on one machine, as processes of their own, and are asked over HTTP on loopback by a third process, in
rounds that alternate between them, once one request at a time and once 16 at once. Before that both must give the same
answers and write the same rows. The server's CPU is that of its process, the database's that of the backends that serve
it, as Linux counts them for each thread, divided by the number of requests; each number is the median of the rounds.
p50 and p99 are Deskwire's and, behind the stroke, the floor's; on few cores the load and the database share them, so
they say less than the CPU does. PostgreSQL does not wait for the disk here.

Where there is a Node, its fastest GraphQL server answers the reads in the same rounds (`benchmarks/node/queries.mjs`):
Mercurius with its JIT compiler, loaders that batch, and prepared statements by postgres.js, with the same rights. Its
columns are the CPU of server and database, and how many times that is of Deskwire's.

What we hold ourselves to, as ratios: {goals}. One request at a time, both together are held to what their two goals
come to by the floor's numbers, since cards move work from the database to the server (docs/decisions/0026-sums.md). A
`!` stands where a ratio is above that.

`TICKETS=1000000 make bench` measures with more tickets; `DATABASE_URL` names a database that has them already.
The numbers themselves are in `results.json`.
"""


class Cost(NamedTuple):
    """What a request of a round cost: seconds of CPU, and how long each took."""

    server: float
    database: float
    seconds: list[float]


def share(values: list[float], percent: int) -> float:
    """What so many percent of the values are at most."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def row(operation: str, at_once: int, costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """A row of the table, by the medians of the rounds but the first, which warmed up; microseconds, milliseconds."""
    found: dict[str, Any] = {"operation": operation, "at_once": at_once}
    for side, rounds in costs.items():
        took = [each * 1000 for cost in rounds[1:] for each in cost.seconds]
        found[side] = {
            "server": statistics.median(cost.server for cost in rounds[1:]) * 1e6,
            "database": statistics.median(cost.database for cost in rounds[1:]) * 1e6,
            "p50": share(took, 50),
            "p99": share(took, 99),
        }
    for what in CPU:
        found[f"{what}_ratio"] = found["ours"][what] / found["floor"][what]
    found["ratio"] = both(found["ours"]) / both(found["floor"])
    if "node" in found:
        found["node_ratio"] = both(found["node"]) / both(found["ours"])
    return found


def both(side: dict[str, float]) -> float:
    """What the server and the database took together."""
    return sum(side[what] for what in CPU)


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table, as text."""
    ours, floor, name = row["ours"], row["floor"], row["operation"]
    goals: tuple[float | None, ...] = ALONE[name]
    together = sum(goal * floor[what] for what, goal in zip(CPU, ALONE[name], strict=True)) / both(floor)
    if row["at_once"] > 1 and name in AT_ONCE:
        goals, together = (None, None), AT_ONCE[name]
    return [
        name,
        str(row["at_once"]),
        *(
            text
            for what, goal in zip(CPU, goals, strict=True)
            for text in (
                f"{ours[what]:.0f}",
                f"{floor[what]:.0f}",
                held(row[f"{what}_ratio"], goal),
            )
        ),
        held(row["ratio"], together),
        *(f"{ours[part]:.2f} / {floor[part]:.2f}" for part in ("p50", "p99")),
        *((added(row["node"]), f"{row['node_ratio']:.1f}") if "node" in row else ("", "")),
    ]


def held(ratio: float, goal: float | None) -> str:
    """A ratio, marked where it is above its goal."""
    return f"{ratio:.2f}" + (" !" if goal is not None and ratio > goal else "")


def added(side: dict[str, float]) -> str:
    """What the server and the database took."""
    return f"{side['server']:.0f} + {side['database']:.0f}"


def tell(rows: list[dict[str, Any]], tickets: int) -> None:
    """Print the table, and keep it, with a plot, beside those of other sizes."""
    table = Table(*COLUMNS, title=f"Deskwire and the floor, {tickets:,} tickets")
    for each in rows:
        table.add_row(*cells(each))
    Console(width=170).print(table)
    file = ROOT / "results.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    before = known.get(str(tickets), {"rows": ()})
    today, anew = f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}", {each["operation"] for each in rows}
    kept = [each for each in before["rows"] if each["operation"] not in anew]
    if kept:  # what was measured alone says when
        rows = [each | {"date": today} for each in rows]
    places = list(TITLES)
    rows = sorted([*rows, *kept], key=lambda each: (places.index(each["operation"]), each["at_once"]))
    made = {"date": before["date"] if kept else today, "machine": machine(), "rows": rows}
    known = dict(sorted((known | {str(tickets): made}).items(), key=lambda each: int(each[0])))
    file.write_text(json.dumps(known, indent=1) + "\n")
    (ROOT / f"results-{tickets}.svg").write_text(plot(rows, tickets))
    (ROOT / "RESULTS.md").write_text(page(known))


def machine() -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def page(known: dict[str, Any]) -> str:
    """The page with what was measured last of each size."""
    goals = [
        f"{name}: {server} on the server, {database} in the database" for name, (server, database) in ALONE.items()
    ] + [f"{name} with 16 at once: {both} of both together" for name, both in AT_ONCE.items()]
    operations = "\n".join(f"- **{name}**: {title}." for name, title in TITLES.items())
    lines = [INTRODUCTION.format(operations=operations, goals="; ".join(goals))]
    for tickets, made in known.items():
        lines += [
            f"## {int(tickets):,} tickets",
            "",
            f"{made['date']}, {made['machine']}.{since(made['rows'])}",
            "",
            "| " + " | ".join(COLUMNS) + " |",
            "| --- " * len(COLUMNS) + "|",
            *("| " + " | ".join(cells(row)) + " |" for row in made["rows"]),
            "",
            f"![CPU of one request, {int(tickets):,} tickets](results-{tickets}.svg)",
            "",
        ]
    return "\n".join(lines)


def since(rows: list[dict[str, Any]]) -> str:
    """What was measured on another day than all else."""
    days = {each["operation"]: each["date"] for each in rows if "date" in each}
    return "".join(f" {operation}: {day}." for operation, day in days.items())


def plot(rows: list[dict[str, Any]], tickets: int) -> str:
    """The CPU of a request, ours above the others', server and database end to end."""
    drawn = [
        (
            f"{row['operation']}, {row['at_once']} at once",
            [
                Bar(
                    [(row[side]["server"], dark), (row[side]["database"], light)],
                    added(row[side]),
                )
                for side, (dark, light) in SIDES.items()
                if side in row
            ],
        )
        for row in rows
    ]
    words = "dark: server, light: database; blue: Deskwire, grey: the floor, green: Mercurius on Node; µs"
    longest = max(row[side]["server"] + row[side]["database"] for row in rows for side in row.keys() & {"ours", "node"})
    return bars(f"CPU of one request, {tickets:,} tickets", words, drawn, longest)


class Bar(NamedTuple):
    """Numbers end to end, each with its color, and what is said of them."""

    parts: list[tuple[float, str]]
    said: str


def bars(title: str, words: str, rows: list[tuple[str, list[Bar]]], longest: float | None = None) -> str:
    """A plot as SVG: to each row its name, and bars one below the other. Those beyond `longest` are cut, and say so."""
    width, left, top = 900, 140, 60
    heights = [17 * len(found) + 10 for _, found in rows]
    height = top + sum(heights) + 10
    most = longest or max(sum(number for number, _ in bar.parts) for _, found in rows for bar in found)
    right = width - 150.0
    scale = (right - left) / most
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="16" y="26" font-size="16" font-weight="bold">{title}</text>',
        f'<text x="16" y="46" fill="#555">{words}</text>',
    ]
    for number, (name, found) in enumerate(rows):
        y = top + sum(heights[:number])
        drawn.append(f'<text x="16" y="{y + 21}">{name}</text>')
        for place, bar in enumerate(found):
            upper, end = y + 3 + place * 17, float(left)
            for length, color in bar.parts:
                long = min(length * scale, right - end)
                drawn.append(f'<rect x="{end:.1f}" y="{upper}" width="{long:.1f}" height="14" fill="{color}"/>')
                end += long
            cut = "» " if sum(number for number, _ in bar.parts) > most else ""
            drawn.append(f'<text x="{end + 6:.1f}" y="{upper + 12}">{cut}{bar.said}</text>')
    return "\n".join([*drawn, "</svg>", ""])
