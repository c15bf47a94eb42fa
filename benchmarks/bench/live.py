"""What was measured of sockets, kept as JSON, and the page with tables and a plot of it."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report import ROOT, SIDES, Bar, bars, machine

INTRODUCTION = """# What sockets cost, and what they hold

`make bench` starts a whole desk for each of these and opens WebSockets to it from a process beside it, on one machine.
The numbers are in `live.json`; a `!` stands where one is worse than what we hold ourselves to.
"""
TITLES = {
    "fan_out": "One change, told to many",
    "own_tickets": "Sockets on tickets of their own",
    "hostile": "Hostile clients",
}
TEXTS = {
    "fan_out": """A ticket changes thirty times, and all who watch it are told. The bare broadcast is an ASGI
application under the same server with the same settings, which sends the same bytes to all its sockets in a loop.
Deliveries a second are counted from the first that arrives to the last. At least two thirds of the bare one's, and at
most 30 KB for a subscriber, are what we hold ourselves to.

CPU is the server's for each message, with the change itself, which on two cores says more than the deliveries, since
who counts them is soon as busy as the server. Ours locks, writes and commits the change, tells Redis of it, and reads
it as somebody who may; a bare broadcast and Node's servers (graphql-ws over ws, and Mercurius with JIT) have it in
memory. At least twice the best of Node's is what we hold ourselves to.""",
    "own_tickets": """Each event is a transaction, made by a third process; its time runs from the commit to the frame.
p99 is to be under 500 ms with 5,000 sockets and 500 events a second on two cores. Then sockets come back at once, in
30 s at most, while queries are answered.""",
    "hostile": """Ten agents ask for tickets 50 times a second in all; beside them one person floods from as many
connections as they like. The others' p99 is to stay within twice what it is without. They share one
machine, where the flood's process, which would be elsewhere, gives way to all others.""",
}
PLOT = "fan-out.svg"
COLORS = {"rate": "ours", "floor": "floor"}  # each side's


def tell(part: str, columns: Sequence[str], rows: Sequence[Sequence[str]], figures: Any) -> None:
    """Print a table, and keep it on the page. `figures`: the numbers themselves."""
    table = Table(*columns, title=TITLES[part])
    for row in rows:
        table.add_row(*row)
    Console(width=160).print(table)
    file = ROOT / "live.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    made = {"date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}", "machine": machine(), "columns": columns, "rows": rows}
    known[part] = made | {"figures": figures}
    file.write_text(json.dumps(known, indent=1) + "\n")
    if "fan_out" in known:
        (ROOT / PLOT).write_text(plot(known["fan_out"]["figures"]))
    (ROOT / "LIVE.md").write_text(page(known))


def page(known: dict[str, Any]) -> str:
    """The page with what was measured last."""
    lines = [INTRODUCTION]
    for part, title in TITLES.items():
        if part not in known:
            continue
        made = known[part]
        lines += [
            f"## {title}",
            "",
            TEXTS[part],
            "",
            f"{made['date']}, {made['machine']}.",
            "",
            "| " + " | ".join(made["columns"]) + " |",
            "| --- " * len(made["columns"]) + "|",
            *("| " + " | ".join(row) + " |" for row in made["rows"]),
            "",
        ]
        if part == "fan_out":
            lines += [f"![Deliveries a second]({PLOT})", ""]
    return "\n".join(lines)


def plot(figures: dict[str, dict[str, float]]) -> str:
    """Deliveries a second, ours above the bare broadcast's."""
    drawn = [
        (
            f"{int(watchers):,} watchers",
            [Bar([(each[side], SIDES[color][0])], f"{each[side]:,.0f}") for side, color in COLORS.items()],
        )
        for watchers, each in figures.items()
    ]
    words = "blue: Deskwire, grey: a bare broadcast of the same bytes"
    return bars("One change, told to many: deliveries a second", words, drawn)
