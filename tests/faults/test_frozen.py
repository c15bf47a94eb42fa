"""A server that is frozen or cannot be reached: whoever asks is told in time, and served once it is back."""

import asyncio
import signal
import time

import pytest

from infra import processes
from tests.faults.promises import ROUNDS

SECONDS = 5
TICKET = "query ($id: ID!) { ticket(id: $id) { subject } }"
COMMENT = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"


def frozen(real, far, how):
    """Freezes or hides the database; gives what undoes it."""
    if how == "hidden":
        far.proxies["postgres"].hole()
        return far.proxies["postgres"].heal
    pids = processes.left_behind(real.postgres.work, real.postgres.program.name)
    for pid in pids:
        processes.os.kill(pid, signal.SIGSTOP)
    return lambda: [processes.os.kill(pid, signal.SIGCONT) for pid in pids]


@pytest.mark.promise(
    "With PostgreSQL down, UNAVAILABLE within 5 s, and service within 5 s of its return",
    injected="PostgreSQL frozen (SIGSTOP) or black-holed, under reads and writes",
)
@pytest.mark.parametrize("how", ["frozen", "hidden"])
async def test_a_database_that_says_nothing_is_unavailable_in_time(real, far, kept, how):
    ticket_id = await real.submitted("Frozen")
    asked, healed, slowest = 0, 0.0, 0.0
    for number in range(ROUNDS):

        async def ask(operation, api=far, **variables):
            began = time.monotonic()
            answer = await api.post(operation, **variables)
            return time.monotonic() - began, answer

        async def ask_later(seconds, operation, **variables):
            await asyncio.sleep(seconds)
            return await ask(operation, **variables)

        def said(client):
            return {"input": {"ticketId": ticket_id, "body": f"{how} {client}"}}

        await asyncio.gather(*[ask(TICKET, id=ticket_id) for _ in range(5)])  # connections that are there
        melt = frozen(real, far, how)
        try:
            answers = []
            for wave in range(2):  # those that were there, and then new ones
                asking = [ask(TICKET, id=ticket_id) for _ in range(15)]
                asking += [ask(COMMENT, **said(f"{number} {wave} {each}")) for each in range(5)]
                asking += [ask_later(seconds, TICKET, id=ticket_id) for seconds in (1.1, 1.5, 2.5)]
                answers += await asyncio.gather(*asking)
        finally:
            melt()
        began = time.monotonic()
        asked += len(answers)
        slowest = max([slowest, *(seconds for seconds, _ in answers)])
        for _, answer in answers:
            assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAVAILABLE"]

        async def served():
            answer = (await far.post(TICKET, id=ticket_id)).json()
            return answer.get("data") == {"ticket": {"subject": "Frozen"}}

        await real.until(served)
        healed = max(healed, time.monotonic() - began)
        assert (await ask(COMMENT, **said(f"{number} after")))[1].json()["data"]["addComment"]
    kept(times=ROUNDS, tried=asked, healed=healed)
    assert slowest < SECONDS
    assert healed < SECONDS
