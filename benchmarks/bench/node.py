"""What Node's GraphQL servers do of the same, where there is a Node to run them."""

import asyncio
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.cpu import used
from bench.report import ROOT
from bench.sockets import Crowd, masked
from infra import embedded

SETTINGS = {"NODE_ENV": "production"}
FOLDER, SERVERS = ROOT / "node", ("graphql-ws", "mercurius")


def installed() -> bool:
    """Whether there is a Node here; the servers are installed then, from the lock beside them."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return False
    subprocess.run([npm, "ci", "--ignore-scripts", "--silent"], cwd=FOLDER, check=True)
    return True


@contextmanager
def _serving(server: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = ["node", "--no-warnings", "broadcast.mjs", server, str(port)]
    process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, env=os.environ | SETTINGS)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"serving\n"
        yield process
    finally:
        process.kill()
        process.wait()


async def told(server: str, count: int, rounds: int, query: str) -> tuple[float, float]:
    """Seconds of the server's CPU for each message to so many subscribers, and from a change to the last message."""
    port, crowd, delays = embedded.free_port(), Crowd(), []
    wish = masked({"type": "subscribe", "id": "1", "payload": {"query": query, "variables": {"id": "tkt"}}})
    with _serving(server, port) as process:
        crowd.expect(count)
        await crowd.connect(port, count, lambda _: [masked({"type": "connection_init"})])
        await crowd.heard()
        for client in crowd.clients:  # not before they are acknowledged
            client.transport.write(wish)  # type: ignore[attr-defined] # it can be written to
        await asyncio.sleep(1)
        before = used([process.pid])
        async with httpx.AsyncClient() as http:
            for _ in range(rounds):
                crowd.expect(count)
                began = time.monotonic()
                answer = asyncio.create_task(http.post(f"http://127.0.0.1:{port}/"))
                delays.append((await crowd.heard())[1] - began)
                await answer
                await asyncio.sleep(0.05)
        cost = (used([process.pid]) - before) / rounds / count
        await crowd.close()
    return cost, statistics.median(delays)
