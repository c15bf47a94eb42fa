"""Plans: which requests share one, and that none is shared wrongly."""

import asyncio
import itertools
import uuid
from types import SimpleNamespace

import planner_api as api
import planner_records as models
import pytest
import sqlalchemy as sa

from infra.postgres import Unavailable
from planner.compiling import Statement, for_many

ONE = "query ($id: ID!) { ticket(id: $id) { id subject mine requester { name email } } }"
LIST = """query ($f: TicketFilter, $first: Int, $by: OrderField) {
    tickets(filter: $f, first: $first, orderBy: $by) { nodes { id mine } } me { id } word(say: "x") }"""


@pytest.fixture
def patient(monkeypatch):
    """No statement counts as slow, however busy the machine is."""
    monkeypatch.setattr("planner.line.SLOW_SECONDS", 60)


async def test_one_plan_for_every_value(ask, agent, rows):
    for ticket in rows[models.Ticket][:5]:
        await ask.same(agent, ONE, id=f"ptk_{ticket.id}")
    assert len(set(ask.reads.statements)) == 2  # one by one statement, one by graphql-core

    ask.reads.statements.clear()
    for text, number in itertools.product(("a", "b"), (1, 2)):
        await ask.data(agent, LIST, f={"text": text, "numbers": [number] * number, "statuses": ["OPEN", "SOLVED"]})
    await ask.data(agent, LIST, f={"statuses": ["SOLVED", "OPEN", "OPEN"], "numbers": [], "text": ""})
    assert len(set(ask.reads.statements)) == 1


async def test_what_a_build_may_branch_on_has_plans_of_its_own(ask, agent):
    cases = [
        {},
        {"f": None},
        {"f": {}},
        {"f": {"assigned": None}},
        {"f": {"assigned": True}},
        {"f": {"assigned": False}},
    ]
    cases += [{"first": 1}, {"first": 2}, {"by": "DUE"}, {"by": "SUBJECT"}]
    for variables in cases:
        await ask.same(agent, LIST, **variables)
    assert len([key for key in ask.engine.plans.kept if key[0] != "root"]) == len(cases)


async def test_viewers_in_turn_see_what_they_see_in_a_fresh_engine(ask, open_desk, rows, customer, agent, nobody):
    other = api.Viewer(api.Role.CUSTOMER, rows[models.Person][5].id)
    bound = api.Viewer(api.Role.CUSTOMER, rows[models.Person][3].id, rows[models.Ticket][0].id)
    reading = [
        (ONE, {"id": f"ptk_{rows[models.Ticket][3].id}"}),
        (ONE, {"id": f"ptk_{rows[models.Ticket][5].id}"}),
        (ONE, {"id": f"ptk_{rows[models.Ticket][0].id}"}),  # which one of them sees by another id of theirs
        (LIST, {"f": {"assigned": True}}),
        (LIST, {}),
        ("{ people(first: 9) { nodes { email tickets { totalCount } } } staff { name } }", {}),
    ]
    for text, variables in reading:
        for viewer in (customer, agent, other, nobody, bound, other, agent, customer):
            fresh = open_desk()
            assert await ask(viewer, text, **variables) == await fresh(viewer, text, **variables)
            await fresh.reads.close()


@pytest.mark.usefixtures("patient")
async def test_reads_by_key_go_together_and_each_gets_its_own(ask, agent, customer, rows):
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket]] + [f"ptk_{uuid.uuid4()}"]
    await ask.data(agent, ONE, id=ids[0])
    ask.reads.statements.clear()

    answers = await asyncio.gather(*(ask.data(agent, ONE, id=key) for key in ids))

    assert [answer["ticket"] and answer["ticket"]["id"] for answer in answers] == [*ids[:-1], None]
    assert len(ask.reads.statements) < 10
    alone = [await ask.data(agent, ONE, id=key) for key in ids]
    assert answers == alone
    mixed = await asyncio.gather(*(ask.data(viewer, ONE, id=key) for key in ids[:20] for viewer in (agent, customer)))
    assert [answer["ticket"] is not None for answer in mixed[1::2]] == [
        row.requester_id == customer.id for row in rows[models.Ticket][:20]
    ]


@pytest.mark.usefixtures("patient")
async def test_all_that_hangs_on_a_key_goes_together_as_well(ask, agent, rows):
    query = """query ($id: ID!, $n: Int!) { node(id: $id) { __typename ... on Ticket { subject latest {
        __typename ... on Comment { link } }
        comments(last: $n) { totalCount nodes { link } pageInfo { hasPreviousPage } }
        requester { tickets(first: 2) { nodes { number } } } } } same: ticket(id: $id) { number events { seq } } }"""
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:20]]
    alone = [await ask.same(agent, query, id=key, n=3) for key in ids]
    ask.reads.statements.clear()

    together = await asyncio.gather(*(ask.data(agent, query, id=key, n=3) for key in ids))

    assert together == alone
    assert len(ask.reads.statements) == 2


@pytest.mark.usefixtures("patient")
async def test_what_cannot_go_together_waits_for_nobody(ask, agent, monkeypatch):
    await ask.data(agent, LIST)
    fetch, all_of_them = ask.reads.fetch, asyncio.Barrier(3)

    async def at_once(*given):
        await all_of_them.wait()
        return await fetch(*given)

    monkeypatch.setattr(ask.reads, "fetch", at_once)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(ask.data(agent, LIST) for _ in range(3)))
    assert answers[0] == answers[1] == answers[2]


async def test_one_bad_request_spoils_no_other_of_its_batch(ask, agent):
    query = "query ($n: Int!) { divided(by: $n) { number } }"

    answers = await asyncio.gather(*(ask(agent, query, n=n % 4) for n in range(16)))

    numbers = [answer["data"]["divided"] and answer["data"]["divided"]["number"] for answer in answers]
    assert numbers == [(None, 6, 3, 2)[n % 4] for n in range(16)]
    assert [answer.get("errors") is not None for answer in answers] == [n % 4 == 0 for n in range(16)]
    assert len(ask.reported) == 4


@pytest.mark.usefixtures("patient")
async def test_a_batch_that_fails_is_tried_one_by_one(ask, agent, rows):
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:12]]
    await ask.data(agent, ONE, id=ids[0])
    ask.reads.failures = [None, RuntimeError("the batch"), None, None, RuntimeError("one of them")]

    answers = await asyncio.gather(*(ask(agent, ONE, id=key) for key in ids))

    assert [answer["data"]["ticket"]["id"] for answer in answers] == ids  # the one was tried again as a root of its own
    assert [str(reported) for reported in ask.reported] == ["one of them"]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("answered", [0, 1])
async def test_without_a_database_all_who_wait_hear_of_it_at_once(ask, agent, rows, monkeypatch, answered):
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:6]]
    await ask.data(agent, ONE, id=ids[0])
    ask.reads.statements.clear()
    ask.reads.failures = [None] * answered + [Unavailable()]
    fetch = ask.reads.fetch

    async def slowly(*given):
        await asyncio.sleep(0)  # so that the others come meanwhile
        return await fetch(*given)

    monkeypatch.setattr(ask.reads, "fetch", slowly)

    asked = [ask.engine.query(ONE, {"id": key}, None, agent, ask.context(agent)) for key in ids]
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*asked)

    assert [answer.code for answer in answers] == [None] * answered + ["UNAVAILABLE"] * (6 - answered)
    assert len(ask.reads.statements) == answered + 1  # nobody tried on their own
    assert (await ask.data(agent, ONE, id=ids[1]))["ticket"]["id"] == ids[1]


@pytest.mark.parametrize("waiting", [1, 3])
async def test_a_statement_that_takes_long_holds_up_nobody(ask, agent, rows, monkeypatch, waiting):
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][: 1 + waiting]]
    await ask.data(agent, ONE, id=ids[0])
    fetch, held, ended = ask.reads.fetch, asyncio.Event(), []

    async def slow(*given):
        if not ended:
            ended.append("begun")
            await held.wait()
        return await fetch(*given)

    monkeypatch.setattr(ask.reads, "fetch", slow)
    first, *others = [asyncio.create_task(ask.data(agent, ONE, id=key)) for key in ids]
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*others)
    assert [answer["ticket"]["id"] for answer in answers] == ids[1:]
    assert not first.done()
    held.set()
    assert (await first)["ticket"]["id"] == ids[0]


async def test_of_a_plan_two_statements_are_under_way_at_most(ask, agent, rows, monkeypatch):
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:12]]
    await ask.data(agent, ONE, id=ids[0])
    monkeypatch.setattr("planner.line.SLOW_SECONDS", 0)  # any is slow
    fetch, under_way, seen = ask.reads.fetch, set(), []

    async def counted(*given):
        under_way.add(asyncio.current_task())
        seen.append(len(under_way))
        found = await fetch(*given)
        under_way.remove(asyncio.current_task())
        return found

    monkeypatch.setattr(ask.reads, "fetch", counted)
    answers = await asyncio.gather(*(ask.data(agent, ONE, id=key) for key in ids))
    assert [answer["ticket"]["id"] for answer in answers] == ids
    assert max(seen) == 2


async def test_a_request_that_is_cancelled_takes_no_other_with_it(ask, agent, rows):
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:12]]
    await ask.data(agent, ONE, id=ids[0])
    tasks = [asyncio.create_task(ask.data(agent, ONE, id=key)) for key in ids]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    for n, (key, answer) in enumerate(zip(ids, answers, strict=True)):
        if n % 3:
            assert answer["ticket"]["id"] == key
        else:
            assert isinstance(answer, asyncio.CancelledError)


@pytest.fixture
async def flying(ask, agent, rows, monkeypatch):
    """Requests that wait: the first is answered, a statement for the others is under way until it's let go."""
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:6]]
    await ask.data(agent, ONE, id=ids[0])
    fetch, begun, held = ask.reads.fetch, asyncio.Event(), asyncio.Event()

    async def slow(sql, arguments):
        if "unnest" in sql:
            begun.set()
            await held.wait()
        return await fetch(sql, arguments)

    monkeypatch.setattr(ask.reads, "fetch", slow)
    tasks = [asyncio.create_task(ask.data(agent, ONE, id=key)) for key in ids]
    await begun.wait()
    return SimpleNamespace(ids=ids, tasks=tasks, go_on=held.set)


BATCH, OWN = RuntimeError("the batch"), RuntimeError("their own")


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("failures", [[], [BATCH], [BATCH, None, OWN]])
async def test_a_request_that_is_cancelled_under_way_takes_no_other_with_it(ask, flying, failures):
    ask.reads.failures = list(failures)
    flying.tasks[2].cancel()
    await asyncio.sleep(0)
    flying.go_on()

    answers = await asyncio.gather(*flying.tasks, return_exceptions=True)

    assert isinstance(answers.pop(2), asyncio.CancelledError)
    assert [answer["ticket"]["id"] for answer in answers] == [*flying.ids[:2], *flying.ids[3:]]


@pytest.mark.usefixtures("patient")
async def test_nobody_waits_for_what_is_ended(ask, flying):
    (plan,) = ask.engine.plans.kept.values()
    for task in plan.line.tasks:
        task.cancel()

    async with asyncio.timeout(5):
        first, *others = await asyncio.gather(*flying.tasks, return_exceptions=True)

    assert first["ticket"]["id"] == flying.ids[0]
    assert {type(answer) for answer in others} == {asyncio.CancelledError}
    assert not plan.line.tasks


@pytest.mark.usefixtures("patient")
async def test_very_many_who_wait_are_asked_for_in_parts(ask, agent, rows, monkeypatch):
    monkeypatch.setattr("planner.line.LARGEST_BATCH", 5)
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:12]]
    await ask.data(agent, ONE, id=ids[0])
    ask.reads.statements.clear()
    answers = await asyncio.gather(*(ask.data(agent, ONE, id=key) for key in ids))
    assert [answer["ticket"]["id"] for answer in answers] == ids
    assert ["unnest" in statement for statement in ask.reads.statements] == [False, True, True, False]


async def test_without_batches(open_desk, rows, agent):
    desk = open_desk(batch=False)
    ids = [f"ptk_{row.id}" for row in rows[models.Ticket][:12]]
    await asyncio.gather(*(desk.data(agent, ONE, id=key) for key in ids))
    assert len(desk.reads.statements) == len(ids)


async def test_plans_and_documents_are_forgotten_in_time(ask, agent):
    documents = ask.engine.texts.documents
    ask.engine.plans.most = documents.most = 5
    for number in range(20):
        await ask.data(agent, f"{{ a{number}: word }}")
    assert len(ask.engine.plans.kept) == len(documents.kept) == 5


def test_a_sign_in_a_text_or_name_is_no_parameter():
    one = Statement("""SELECT 'it''s $1' || "$2" || $2 || $1 || $2""", (5, None), ((1, 0),))

    many = for_many(one, [sa.Text()])

    assert many.sql == (
        """SELECT 'it''s $1' || "$2" || b.v0 || $1 || b.v0"""
        " FROM unnest($2::TEXT[]) WITH ORDINALITY AS b(v0, place) ORDER BY b.place"
    )
    assert many.arguments([["a", "b"]]) == [5, ["a", "b"]]
