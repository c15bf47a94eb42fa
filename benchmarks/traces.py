"""What traces cost: the same requests with tracing off, with one in a hundred sampled, and with all of them.

TICKETS (20000) says how many there are, ROUNDS (9) how often each side is measured. BEFORE names another checkout to
measure beside them.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncpg
from against_the_floor import ROOT, Asked, Load, Side, furnish, one_round, prepared, running, say
from bench import report
from rich.table import Table

from infra import embedded

ROUNDS = int(os.environ.get("ROUNDS", "9"))
REQUESTS = {"Q1": 600, "M1": 100}
SIDES = {
    "off": {},
    "1 %": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "all": {"OTEL_TRACES_SAMPLER": "always_on"},
}


class Sink(BaseHTTPRequestHandler):
    """A collector that forgets what it is given."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take it."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Make the data, start all sides, measure them in turn, tell."""
    with ExitStack() as stack:
        folder = stack.enter_context(embedded.scratch())
        url = stack.enter_context(embedded.postgres(folder, durable=False))
        sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        furnish(stack, folder, url)
        _, asked = asyncio.run(prepared(url))
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}"}
        sides = []
        if before := os.environ.get("BEFORE"):
            port = embedded.free_port()
            command = [sys.executable, str(Path(before) / "desk.py"), "serve"]
            process = stack.enter_context(running(command, dict(os.environ), port))
            sides.append(Side("before", port, process.pid, "deskwire"))
        for name, given in SIDES.items():
            port, environment = embedded.free_port(), dict(os.environ) | given | (endpoint if given else {})
            process = stack.enter_context(running([sys.executable, "desk.py", "serve"], environment, port))
            sides.append(Side(name, port, process.pid, "deskwire"))
        load = [sys.executable, "benchmarks/bench/load.py"]
        sender = stack.enter_context(subprocess.Popen(load, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        asyncio.run(measured(url, Load(sender), sides, asked))
        if sender.stdin:
            sender.stdin.close()


async def measured(url: str, sender: Load, sides: list[Side], asked: Asked) -> None:
    """Print microseconds of the server's CPU for one request, by operation and side."""
    connection = await asyncpg.connect(url)
    table = Table("what", "at once", *(side.name for side in sides), title="The server's CPU, µs a request (database)")
    for operation, count in REQUESTS.items():
        for at_once in (1, 16):
            costs: dict[str, list[report.Cost]] = {side.name: [] for side in sides}
            for number in range(ROUNDS):
                turn = number % len(sides)  # so that what one leaves behind falls on all
                for side in (*sides[turn:], *sides[:turn]):
                    requests = asked.requests(operation, count, number)
                    costs[side.name].append(await one_round(connection, sender, side, requests, at_once))
            found = [
                f"{statistics.median(cost.server for cost in each) * 1e6:.0f} "
                f"({statistics.median(cost.database for cost in each) * 1e6:.0f})"
                for each in costs.values()
            ]
            table.add_row(operation, str(at_once), *found)
    say(table)
    await connection.close()


if __name__ == "__main__":
    main()
