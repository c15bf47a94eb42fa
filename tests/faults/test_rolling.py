"""Processes that are told to stop under load, one after the other, while others serve."""

import asyncio
import contextlib
import signal
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.ledger import Ledger
from tests.faults.promises import ROUNDS

CLIENTS = 6
TICKET = "query ($id: ID!) { ticket(id: $id) { subject } }"
END_SECONDS = 20


class Clients:
    """Ask without a pause over connections that stay; where nobody listens they ask the other, as a balancer does."""

    def __init__(self, ticket_id, *apis):
        self.ticket_id, self.apis = ticket_id, apis
        self.answered, self.failed, self._over = 0, [], asyncio.Event()

    async def ask(self, number):
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(api.client()) for api in self.apis]
            while not self._over.is_set():
                number += 1
                given = {"query": TICKET, "variables": {"id": self.ticket_id}}
                try:
                    answer = await clients[number % len(clients)].post("/graphql", json=given)
                    assert answer.json()["data"] == {"ticket": {"subject": "Rolled"}}, answer.text
                except httpx.ConnectError:
                    continue
                except (httpx.TransportError, AssertionError) as error:
                    self.failed.append(repr(error))
                self.answered += 1

    @contextlib.asynccontextmanager
    async def asking(self):
        tasks = [asyncio.create_task(self.ask(number)) for number in range(CLIENTS)]
        yield
        self._over.set()
        await asyncio.gather(*tasks)


@pytest.mark.promise(
    "SIGTERM: no failed request, sockets closed with 1012, out within 20 s",
    injected="SIGTERM to each of two APIs in turn, under load",
)
async def test_a_rolling_restart_fails_no_request(real, far, kept):
    ticket_id = await real.submitted("Rolled")
    clients, slowest, codes = Clients(ticket_id, real, far), 0.0, []
    async with clients.asking():
        rolled = [real, far] * ROUNDS if ROUNDS > 1 else [far]  # starting takes the longest
        for api in rolled:
            async with api.watching(ticket_id) as socket:
                await asyncio.sleep(0.3)
                began = time.monotonic()
                api.api.signal(signal.SIGTERM)
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        await socket.item()
                codes.append(socket.socket.close_code)
            await api.api.ends()
            slowest = max(slowest, time.monotonic() - began)
            api.api.start()
            await api.settle_in()
    assert clients.failed == [], clients.failed[:5]
    kept(times=len(rolled), tried=clients.answered, failed=len(clients.failed), healed=slowest)
    assert set(codes) == {1012}
    assert slowest < END_SECONDS


@pytest.mark.promise(
    "A job is done, waiting or visibly dead; an orphan runs again within 60 s",
    injected="SIGTERM to each of two workers in turn, amid a stream of mutations",
)
async def test_a_rolling_restart_of_workers_does_each_job_once(real, second, kept):
    """Whoever is told to stop ends what it does or gives it back; no mail goes twice for that."""
    ledger, slowest = Ledger(real, real), 0.0
    clients = [asyncio.create_task(ledger.write(f"Rolled {number}")) for number in range(2)]
    rolled = [real.worker, second] * ROUNDS if ROUNDS > 1 else [second]  # as above
    for worker in rolled:
        await real.works(worker)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        worker.signal(signal.SIGTERM)
        assert await worker.ends() == 0
        slowest = max(slowest, time.monotonic() - began)
        worker.start()
    ledger.end()
    await asyncio.gather(*clients)
    await real.all_settled()

    letters = [letter["Message-ID"] for letter in real.mail.letters]
    owed = await real.rows("SELECT status, count(*) FROM messages GROUP BY 1")
    assert {row["status"] for row in owed} == {"SENT"}
    kept(
        times=len(rolled),
        tried=ledger.acknowledged,
        duplicates=len(letters) - len(set(letters)),
        healed=slowest,
        **await ledger.balance(),
    )
    assert slowest < END_SECONDS
