"""A disk that is full: nothing that was acknowledged is lost, whoever writes is told to come again, and then served."""

import asyncio
import time
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.faults.ledger import Ledger

TICKET = "query ($id: ID!) { ticket(id: $id) { subject } }"
CREATE = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
  ... on CreateUploadSuccess { upload { url } } } }"""
WORDS = b"How it burns. " * 4000
FULL_SECONDS, SERVED_SECONDS = 2.0, 5.0


@contextmanager
def full(disk):
    """No byte is left on it."""
    balloon = disk / "balloon"
    with balloon.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 1024):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        balloon.unlink()


@pytest.mark.promise(
    "An acknowledged mutation survives the death of any process; a job exists if and only if its transaction committed",
    injected="the disk of PostgreSQL and of files full, amid a stream of mutations",
)
async def test_a_full_disk_loses_nothing(real, kept):
    if not real.has_small_disk:
        pytest.skip("Only who may mount has a small disk.")
    real.forgiven = ("DiskFullError", "No space left")  # whoever keeps the desk running has to hear of it
    ticket_id, ledger = await real.submitted("Before"), Ledger(real, real)
    given = {"filename": "a.txt", "contentType": "text/plain", "sizeBytes": len(WORDS)}
    place = (await real.post(CREATE, input=given)).json()["data"]["createUpload"]["upload"]["url"]
    clients = [asyncio.create_task(ledger.write(f"Full {number}")) for number in range(3)]

    await asyncio.sleep(0.5)
    with full(real.disk):
        count = ledger.acknowledged
        assert (await real.http.put(urlsplit(place).path, content=WORDS)).status_code == 503
        ends = time.monotonic() + FULL_SECONDS
        while time.monotonic() < ends:
            read = (await real.post(TICKET, id=ticket_id)).json()
            assert read.get("data") == {"ticket": {"subject": "Before"}} or _codes(read) == {"UNAVAILABLE"}, read
            await asyncio.sleep(0.05)
        assert not any(client.done() for client in clients), clients
        assert ledger.failures > 0
    began = time.monotonic()
    await asyncio.to_thread(real.start_servers)  # as whoever watches it does, if it gave up

    async def goes_on():
        assert not any(client.done() for client in clients), clients
        return ledger.acknowledged > count + 6

    await real.until(goes_on)
    healed = time.monotonic() - began
    assert (await real.http.put(urlsplit(place).path, content=WORDS)).status_code == 204
    ledger.end()
    await asyncio.gather(*clients)
    await real.all_settled()
    kept(times=1, tried=ledger.acknowledged, healed=healed, **await ledger.balance())
    assert healed < SERVED_SECONDS


def _codes(answer):
    return {error["extensions"]["code"] for error in answer["errors"]}
