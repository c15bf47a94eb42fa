"""How the processes of the desk begin and end, whatever they are in the middle of."""

import asyncio
import contextlib
import signal
import time

import asyncpg
import httpx
import pytest
from websockets.exceptions import ConnectionClosed


async def test_a_worker_that_is_told_to_stop_finishes_what_it_began(real):
    stalls = real.mail.stalls
    real.mail.stalled = True
    try:
        await real.submitted("Drained")

        async def in_the_middle():
            return real.mail.stalls > stalls

        await real.until(in_the_middle)
        real.worker.signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert real.worker.runs()
    finally:
        real.mail.stalled = False
    # "Too late", the server says: the job has failed before the worker ends, and waits for the next one.
    assert await real.worker.ends() == 0
    (row,) = await real.rows("SELECT state, attempts FROM jobs WHERE state = 'QUEUED' ORDER BY attempts DESC LIMIT 1")
    assert row == {"state": "QUEUED", "attempts": 1}

    real.worker.start()
    await real.arrives("Drained")
    await real.all_settled()


async def test_the_api_starts_without_its_servers_and_is_ready_once_they_are(real):
    real.api.end()
    await asyncio.to_thread(real.postgres.stop)
    real.valkey.stop()
    real.api.start()

    async def lives():
        with contextlib.suppress(httpx.HTTPError):
            return (await real.http.get("/health/live")).status_code == 200

    await real.until(lives)
    ready = await real.http.get("/health/ready")
    assert (ready.status_code, ready.json()["database"], ready.json()["redis"]) == (503, False, False)

    await asyncio.to_thread(real.start_servers)
    await real.settle_in()


@pytest.mark.promise(
    "SIGTERM: no failed request, sockets closed with 1012, out within 20 s",
    injected="SIGTERM in the middle of a mutation",
)
async def test_an_api_that_is_told_to_stop_answers_what_it_was_asked_and_closes_its_sockets(real, kept):
    ticket_id = await real.submitted("Stopping")
    holder = await asyncpg.connect(real.settings.database_url)
    async with real.watching(ticket_id) as socket:
        await holder.execute("BEGIN; LOCK TABLE event_texts IN ACCESS EXCLUSIVE MODE")
        asked = asyncio.create_task(real.submit("Last"))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        real.api.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.item()
        assert closed.value.rcvd.code == 1012
        assert not asked.done()
        await holder.close()
        answer = await asked
        assert answer.json()["data"]["submitTicket"]["__typename"] == "SubmitTicketSuccess"
    assert await real.api.ends() == -signal.SIGTERM  # uvicorn tells its parent why it ended
    healed = time.monotonic() - began
    assert healed < 20
    kept(times=1, tried=1, failed=0, healed=healed)

    real.start_programs()
    await real.settle_in()
    await real.arrives("Last")
