"""What happens when parts of the desk stop, freeze, restart or are killed: nothing is lost, nothing done twice."""

import asyncio
import signal
import time
from urllib.parse import urlsplit

import asyncpg
import pytest

from infra import jobs, relaying

AT_ONCE = 1.5  # seconds that a mutation may take while something else is away
WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { lastSeq subject } }"
FEED = "subscription ($id: ID!) { ticketUpdated: ticketEvents(ticketId: $id) { cursor node { seq } } }"
COMMENT = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
MAIL = """SELECT status, messages.attempts, jobs.last_error FROM messages
  JOIN jobs ON payload ->> 'message_id' = messages.id::text ORDER BY messages.created_at DESC LIMIT 1"""
TICKET = "query ($id: ID!) { ticket(id: $id) { subject } }"


async def rename(town, ticket_id, subject):
    """A change by another client, told through Redis if that is there."""
    key = ticket_id.removeprefix("tkt_")
    await town.rows("UPDATE tickets SET subject = $2, last_seq = last_seq + 1 WHERE id = $1", key, subject)


CREATE = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
  ... on CreateUploadSuccess { upload { id url } } } }"""
FILES = "query ($id: ID!) { ticket(id: $id) { attachments(first: 1) { nodes { url } } } }"
WORDS = b"How it burns.\n"


def codes_of(answer):
    return [error["extensions"]["code"] for error in answer.json().get("errors", [])]


@pytest.mark.promise(
    "With Redis, SMTP or storage down, reads and writes still answer",
    injected="Redis stopped and frozen",
)
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_without_redis_tickets_come_in_at_once_and_mail_goes_out_when_it_is_back(real, kept, how):
    if how == "stopped":
        real.valkey.stop()
    else:
        real.valkey.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(4):
            began = time.monotonic()
            answer = await real.submit(f"{how} {number}")
            assert time.monotonic() - began < AT_ONCE
            assert answer.json()["data"]["submitTicket"]["__typename"] == "SubmitTicketSuccess"
        ready = await real.http.get("/health/ready")
        assert (ready.status_code, ready.json()["redis"]) == (200, False)
        await asyncio.sleep(1)
        assert real.mail.letters == []
    finally:
        if how == "stopped":
            real.start_servers()
        else:
            real.valkey.process.send_signal(signal.SIGCONT)

    for number in range(4):
        await real.arrives(f"{how} {number}")
    await real.all_settled()
    kept(times=1, tried=4, lost=max(0, 4 - len(real.mail.letters)), twice=max(0, len(real.mail.letters) - 4))


@pytest.mark.promise(
    "With Redis, SMTP or storage down, reads and writes still answer",
    injected="the folder of files taken away",
)
async def test_without_its_store_all_but_files_goes_on(real, kept):
    folder, gone = real.disk / "files", real.disk / "gone"

    async def announced():
        given = {"filename": "a.txt", "contentType": "text/plain", "sizeBytes": len(WORDS)}
        found = (await real.post(CREATE, input=given)).json()["data"]["createUpload"]["upload"]
        return found["id"], urlsplit(found["url"]).path

    async def read():
        found = (await real.post(FILES, id=ticket_id)).json()["data"]["ticket"]["attachments"]["nodes"]
        return await real.http.get(urlsplit(found[0]["url"]).path)

    (before, path), (_, later) = await announced(), await announced()
    assert (await real.http.put(path, content=WORDS)).status_code == 204
    ticket_id = await real.submitted("With a file", uploadIds=[before])
    folder.rename(gone)
    folder.touch()
    try:
        refused = [await real.http.put(later, content=WORDS), await read()]
        assert [answer.status_code for answer in refused] == [503, 503]
        for number in range(4):
            began = time.monotonic()
            await real.submitted(f"Without files {number}")
            assert time.monotonic() - began < AT_ONCE
        ready = await real.http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    finally:
        folder.unlink()
        gone.rename(folder)

    assert (await real.http.put(later, content=WORDS)).status_code == 204
    assert (await read()).content == WORDS
    await real.all_settled()
    assert [len(real.mail.about(f"Without files {number}")) for number in range(4)] == [1] * 4
    kept(times=1, tried=4, lost=0, twice=0)


async def test_a_subscriber_outlives_redis(real):
    ticket_id = await real.submitted("Watched")
    await real.arrives("Watched")
    async with real.watching(ticket_id) as socket:
        real.valkey.stop()
        await asyncio.sleep(0.5)
        real.start_servers()
        await rename(real, ticket_id, "Watched while it was away")
        # Nobody tells of this change: it is seen as Redis is back, or at the next look.
        assert (await socket.item())["subject"] == "Watched while it was away"


async def test_a_feed_misses_nothing_while_redis_is_away_and_repeats_nothing(real):
    ticket_id = await real.submitted("Followed")
    await real.arrives("Followed")
    async with real.connected() as socket:
        await socket.send(id="1", type="subscribe", payload={"query": FEED, "variables": {"id": ticket_id}})
        seqs = [(await socket.item())["node"]["seq"] for _ in range(2)]
        for number in range(6):
            if number == 2:
                real.valkey.stop()
            if number == 4:
                real.start_servers()
            said = {"ticketId": ticket_id, "body": f"Comment {number}"}
            assert (await real.post(COMMENT, input=said)).json()["data"]["addComment"]["__typename"]
        seqs += [(await socket.item())["node"]["seq"] for _ in range(6)]
    assert seqs == list(range(1, 9))


@pytest.mark.promise(
    "Each owed mail is accepted at least once",
    injected="the mail server stopped",
)
async def test_without_a_mail_server_mail_waits_and_goes_when_it_is_back(real, kept):
    real.mail.stop()
    await real.submitted("Waiting")

    async def failed():
        return next((found for found in await real.rows(MAIL) if found["last_error"]), None)

    waiting = await real.until(failed)
    assert waiting["last_error"].startswith("Away: ")
    assert waiting["status"] == "QUEUED"
    real.mail.start()

    await real.arrives("Waiting")
    await real.all_settled()
    assert len(real.mail.about("Waiting")) == 1
    (sent,) = await real.rows(MAIL)
    assert (sent["status"], sent["attempts"] > 1) == ("SENT", True)
    kept(times=1, tried=1, lost=0, twice=len(real.mail.about("Waiting")) - 1)


@pytest.mark.promise(
    "A job is done, waiting or visibly dead; an orphan runs again within 60 s",
    injected="kill -9 of a worker in DATA, and as it writes",
)
async def test_the_jobs_of_a_killed_worker_are_done_once(real, kept):
    """One is killed while it hands over a letter, the other while it writes."""
    stalls = real.mail.stalls
    real.mail.stalled = True
    holder = await asyncpg.connect(real.settings.database_url)
    try:
        await real.submitted("Killed as it is sent")

        async def being_sent():
            return real.mail.stalls > stalls

        await real.until(being_sent)
        await holder.execute("BEGIN; LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE")
        ticket_id = await real.submitted("Killed as it is told")

        async def being_told():
            return await real.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

        await real.until(being_told)
        real.worker.kill()
        began = time.monotonic()
        real.worker.start()
    finally:
        real.mail.stalled = False
        await holder.close()

    for subject in ("Killed as it is sent", "Killed as it is told"):
        await real.arrives(subject)
    await real.all_settled()
    healed = time.monotonic() - began
    assert healed < 60
    assert [len(real.mail.about(f"Killed as it is {how}")) for how in ("sent", "told")] == [1, 1]
    key = ticket_id.removeprefix("tkt_")
    told = await real.rows("SELECT person_id, count(*) FROM notifications WHERE ticket_id = $1 GROUP BY 1", key)
    assert {row["person_id"]: row["count"] for row in told} == {real.customer_id: 1, real.agent_id: 1}
    told = "SELECT kind, attempts FROM jobs WHERE kind <> 'Count' ORDER BY created_at DESC, id DESC LIMIT 4"
    attempts = await real.rows(told)
    # The mail of the first was being sent, the second was being told; its mail and the first's telling went at once.
    assert [(row["kind"], row["attempts"]) for row in attempts] == [
        ("SendMessage", 1),
        ("Announce", 2),
        ("SendMessage", 2),
        ("Announce", 1),
    ]
    kept(times=2, tried=2, lost=0, twice=0, healed=healed)


@pytest.mark.promise(
    "With PostgreSQL down, UNAVAILABLE within 5 s, and service within 5 s of its return",
    injected="PostgreSQL stopped and crashed, under reads, writes and a subscription",
)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_a_restart_of_postgresql_is_survived_by_all(real, kept, how):
    """Requests meanwhile are answered, or told to come again; what was answered is there, once."""
    ticket_id = await real.submitted(f"Before {how.name}")
    over, answers, done = asyncio.Event(), [], []

    async def ask():
        while not over.is_set():
            began = time.monotonic()
            answers.append(await real.post(TICKET, id=ticket_id))
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.02)

    async def submit(client):
        number = 0
        while not over.is_set():
            number += 1
            while True:  # as a good client: again, with the same key
                answers.append(answer := await real.submit("Meanwhile", key=f"{how.name} {client} {number}"))
                if (answer.json().get("data") or {}).get("submitTicket"):
                    break
                await asyncio.sleep(0.1)
            assert answer.json()["data"]["submitTicket"]["__typename"] == "SubmitTicketSuccess"
            done.append(answer.json()["data"]["submitTicket"]["ticket"]["id"])
            await asyncio.sleep(0.2)

    (before,) = await real.rows("SELECT count(*) FROM tickets")
    async with real.watching(ticket_id) as socket:
        asking = [asyncio.create_task(task) for task in (ask(), ask(), submit("a"), submit("b"))]
        await asyncio.sleep(0.5)
        real.postgres.stop_signal = how
        await asyncio.to_thread(real.postgres.stop)
        await asyncio.sleep(1.5)
        assert (await real.http.get("/health/ready")).status_code == 503
        await asyncio.to_thread(real.start_servers)
        began, count = time.monotonic(), len(done)

        async def goes_on():
            return len(done) > count + 2

        await real.until(goes_on, seconds=10)
        healed = time.monotonic() - began
        assert healed < 8
        over.set()
        await asyncio.gather(*asking)

        await rename(real, ticket_id, "After")
        while (await socket.item())["subject"] != "After":
            pass

    codes = {(answer.status_code, code) for answer in answers for code in codes_of(answer)}
    assert codes <= {(503, "UNAVAILABLE"), (200, "UNAVAILABLE")}
    assert codes
    (after,) = await real.rows("SELECT count(*) FROM tickets")
    kept(
        times=1,
        tried=len(done),
        lost=max(0, len(done) - (after["count"] - before["count"])),
        twice=max(0, after["count"] - before["count"] - len(done)),
        duplicates=len(done) - len(set(done)),
        healed=healed,
    )
    await real.all_settled()
    # A letter that was handed over as the database went may be handed over again, and says that it is the same.
    letters = [letter["Message-ID"] for letter in real.mail.about("Meanwhile")]
    assert len(set(letters)) == len(done)
    assert len(letters) <= len(done) + 4


@pytest.mark.promise(
    "A connection that ends is replaced, and nobody is told",
    injected="pg_terminate_backend of all backends",
)
async def test_connections_that_postgresql_ends_are_replaced(real, kept):
    ticket_id = await real.submitted("Ended")
    for number in range(3):
        await real.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'deskwire%'"
        )
        assert (await real.post(TICKET, id=ticket_id)).json()["data"]["ticket"] == {"subject": "Ended"}
        await real.submitted(f"Ended {number}")
        await real.arrives(f"Ended {number}")
    kept(times=3, tried=6, failed=0)


async def test_new_subscriptions_without_a_database_are_told_to_come_again(real):
    ticket_id = await real.submitted("Closed")
    await asyncio.to_thread(real.postgres.stop)
    try:
        async with real.connected() as socket:
            for name, query in (("1", WATCH), ("2", TICKET)):
                payload = {"query": query, "variables": {"id": ticket_id}}
                await socket.send(type="subscribe", id=name, payload=payload)
                message = await socket.receive()
                assert (message["type"], message["id"]) == ("error", name)
                assert message["payload"][0]["extensions"]["code"] == "UNAVAILABLE"
    finally:
        await asyncio.to_thread(real.start_servers)


@pytest.mark.promise(
    "A job is done, waiting or visibly dead; an orphan runs again within 60 s",
    injected="Redis restarted empty and kill -9 of the worker, amid 600 jobs",
)
async def test_a_flood_of_jobs_is_done_though_redis_forgets_and_the_worker_is_killed(real, kept):
    many = 600
    real.worker.end()
    await real.rows(
        """INSERT INTO jobs (id, kind, payload, state, attempts, due_at, created_at)
        SELECT gen_random_uuid(), 'SendSignInLink', '{"email": "nobody@example.com"}', 'QUEUED', 0, now(), now()
        FROM generate_series(1, $1)""",
        many,
    )
    real.worker.start()

    async def some_done():
        return await real.unsettled() < many * 0.8

    await real.until(some_done)
    real.valkey.stop()
    real.worker.kill()
    real.start_servers()
    real.worker.start()

    await real.all_settled()
    (done,) = await real.rows("SELECT count(*) FROM jobs WHERE kind = 'SendSignInLink' AND state = 'DONE'")
    kept(times=2, tried=many, lost=many - done["count"])


def test_the_lease_of_a_real_desk_is_over_within_a_minute():
    assert jobs.LEASE.total_seconds() + jobs.GRACE.total_seconds() + relaying.RELAY_SECONDS < 60
