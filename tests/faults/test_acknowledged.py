"""What was acknowledged survives the death of any process, and is there once."""

import asyncio
import signal
import time

import pytest

from infra import processes
from tests.faults.ledger import Ledger
from tests.faults.promises import ROUNDS

CLIENTS = 3
SUBMIT = """mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename
  ... on SubmitTicketSuccess { ticket { id } } ... on Conflict { reason } } }"""


async def killed(real, victim):
    """Kills it as it is, waits a moment, and starts it again. Gives when that was."""
    if victim == "postgres":
        await asyncio.to_thread(processes.end, real.postgres.process, signal.SIGKILL, seconds=0)
    else:
        {"api": real.api, "far": real.far.api, "worker": real.worker}[victim].kill()
    await asyncio.sleep(0.5)
    real.start_programs()
    await asyncio.to_thread(real.start_servers)
    if not real.far.api.runs():
        real.far.api.start()
    return time.monotonic()


@pytest.mark.promise(
    "An acknowledged mutation survives the death of any process; a job exists if and only if its transaction committed",
    injected="kill -9 of PostgreSQL, either of two APIs, the worker, amid a stream of mutations",
)
async def test_what_was_acknowledged_survives_any_death(real, far, kept):
    ledger = Ledger(real, real, far)
    clients = [asyncio.create_task(ledger.write(f"Ledger {number}")) for number in range(CLIENTS)]
    # A job that is killed before it is claimed waits for arq's own patience: no test of others should, each time.
    victims, healed = (["worker"] if ROUNDS > 1 else []) + ["api", "postgres", "far"] * ROUNDS, 0.0
    for victim in victims:
        await asyncio.sleep(0.5)
        began, count = await killed(real, victim), ledger.acknowledged

        async def goes_on(enough=count + 2 * CLIENTS):
            assert not any(client.done() for client in clients), clients
            return ledger.acknowledged > enough

        await real.until(goes_on)
        healed = max(healed, time.monotonic() - began)
    ledger.end()
    await asyncio.gather(*clients)
    await real.all_settled()
    kept(times=len(victims), tried=ledger.acknowledged, healed=healed, **await ledger.balance())


@pytest.mark.promise(
    "The same idempotency key has one effect and one answer",
    injected="the same key at the same moment through two API processes",
)
async def test_the_same_key_through_two_processes_has_one_effect(real, far, kept):
    many, twice, answers = 10 * ROUNDS, 0, []
    for number in range(many):
        given = {"subject": "Keyed", "body": "Once.", "categoryId": real.category, "idempotencyKey": f"keyed {number}"}
        asked = [api.post(SUBMIT, input=given) for api in (real, far) for _ in range(2)]
        found = [answer.json()["data"]["submitTicket"] for answer in await asyncio.gather(*asked)]
        assert {each["__typename"] for each in found} == {"SubmitTicketSuccess"}
        ids = {each["ticket"]["id"] for each in found}
        twice += len(ids) - 1
        answers += ids
    (rows,) = await real.rows("SELECT count(*) FROM tickets WHERE subject = 'Keyed'")
    lost = await real.rows(
        "SELECT FROM unnest($1::uuid[]) AS id WHERE NOT EXISTS (SELECT FROM tickets WHERE tickets.id = id)",
        [each[4:] for each in answers],
    )
    kept(times=many, tried=4 * many, lost=len(lost), twice=twice + rows["count"] - many)
    other = given | {"subject": "Another"}
    refused = [(await api.post(SUBMIT, input=other)).json()["data"]["submitTicket"] for api in (real, far)]
    assert refused == [{"__typename": "Conflict", "reason": "KEY_REUSED"}] * 2
