"""Cards of people and departments: shown from what the process keeps, at most a second old, and never a right."""

import asyncio
import gc
import time

import pytest
from structlog.testing import capture_logs

from domain import refusals
from domain.access import Viewer
from infra.logs import doing
from infra.postgres import Unavailable
from models import Role
from planner import cards
from planner.engine import Engine
from resolvers.root import schema
from schema.context import Context

READ = """query ($id: ID!) { ticket(id: $id) { requester { __typename id called: name role }
    assignee { name } department { name } } }"""
CARD = " people c "  # a statement that reads people for cards
WITH_EMAIL = "query ($id: ID!) { ticket(id: $id) { requester { name email } } }"


WORTH = cards.WORTH_OF_ASKING


@pytest.fixture
async def process(desk, monkeypatch):
    """Makes what answers in another process, with cards of its own, which come by their keys alone."""
    made = []
    monkeypatch.setattr(cards, "WORTH_OF_ASKING", 0)

    def another():
        engine = Engine(schema, desk.reads, refusals=refusals.Refusal, report=repr, given=desk)
        made.append(engine)
        return engine

    yield another
    for engine in made:
        await engine.cards.close()


@pytest.fixture
def given(process, monkeypatch):
    """What is missing may come with the answer."""
    monkeypatch.setattr(cards, "WORTH_OF_ASKING", WORTH)


@pytest.fixture
def read(desk, ticket, customer):
    """What an engine answers."""

    async def answered(engine, query=READ, viewer=None):
        viewer = viewer or Viewer(Role.CUSTOMER, customer.id)
        return (
            await engine.query(query, {"id": ticket.gid}, None, viewer, Context(desk, engine, viewer))
        ).body.decode()

    return answered


async def until(read, engine, text):
    """Seconds until an answer holds the text."""
    began = time.monotonic()
    while text not in await read(engine):
        assert time.monotonic() - began < 10
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_card_is_what_the_row_says(process, read, customer, support):
    body = await read(process())
    person = f'{{"__typename":"Person","id":"per_{customer.id}","called":"Carla Customer","role":"CUSTOMER"}}'
    assert f'"requester":{person},"assignee":null,"department":{{"name":"{support.name}"}}' in body


@pytest.mark.usefixtures("given")
async def test_who_is_not_known_comes_with_the_answer_that_names_them(process, read, statements):
    engine = process()
    body = await read(engine)
    assert '"assignee":null' in body
    assert [CARD in statement for statement in statements] == [True]
    statements.clear()
    assert await read(engine) == body
    assert len(statements) == 1


@pytest.mark.usefixtures("given")
async def test_who_is_not_known_comes_with_the_answers_of_many_at_once(process, read, statements):
    engine = process()
    bodies = await asyncio.gather(*(read(engine) for _ in range(8)))
    assert len(set(bodies)) == 1
    assert "Carla Customer" in bodies[0]
    assert [CARD in statement for statement in statements if "unnest" in statement]
    assert all(CARD in statement and " ANY($" not in statement for statement in statements)


@pytest.mark.usefixtures("given")
async def test_the_items_of_a_feed_come_with_whom_they_name(process, ticket, customer, statements):
    feed = "subscription ($id: ID!) { ticketEvents(ticketId: $id) { node { actor { name } } } }"
    stream = process().subscription(feed, {"id": ticket.gid}, None, Viewer(Role.CUSTOMER, customer.id))
    items = await stream.read_after(None)
    assert b"Carla Customer" in items[0].body
    assert [CARD in statement for statement in statements] == [True]


@pytest.mark.usefixtures("given")
async def test_who_is_known_is_not_read_again(process, read, statements):
    engine = process()
    body = await read(engine)
    for _ in range(2 * cards.REMEMBERED * WORTH):
        statements.clear()
        assert await read(engine) == body
        if CARD not in statements[-1]:
            break
    assert len(statements) == 1
    assert CARD not in statements[0]


@pytest.mark.usefixtures("given")
async def test_who_is_unknown_where_nobody_was_for_long_is_asked_for_by_their_keys(process, read, statements):
    engine = process()
    body = await read(engine)
    async with asyncio.timeout(30):
        while CARD in statements[-1]:
            await read(engine)
    engine.cards.kept.clear()
    statements.clear()
    assert await read(engine) == body
    assert {statement.split(" FROM ")[1].split()[0] for statement in statements[1:]} == {"people", "departments"}


def test_many_cards_are_not_read_one_by_one():
    luck = cards.Luck()
    assert luck.poor
    luck.saw(2 * WORTH, missing=True)
    assert not luck.poor


async def test_somebody_renamed_is_seen_by_every_process_within_a_second(process, read, database, customer, support):
    engines = [process(), process()]
    for engine in engines:
        await read(engine)
    await database.rows("UPDATE people SET name = 'Clara \"C\" Customer' WHERE id = :id", id=customer.id)
    await database.rows("UPDATE departments SET name = 'Help' WHERE id = :id", id=support.id)

    for engine in engines:
        assert await until(read, engine, r"Clara \"C\" Customer") < 1.5
        assert '"department":{"name":"Help"}' in await read(engine)


async def test_what_is_kept_once_is_let_go_once(process, read, database, support):
    """Also where an answer shows what was known beside what was not."""
    engine = process()

    def weight():
        return sum(map(len, engine.cards.kept.values()))

    for query in (READ, READ.replace("called", "named")):
        await read(engine, query)
        assert engine.cards.weight == weight() > 0
    assert len([card for card in engine.cards.kept.values() if b"Technical" in card]) == 1
    await database.rows("UPDATE departments SET name = 'Help' WHERE id = :id", id=support.id)
    assert await until(read, engine, '"Help"') < 1.5
    assert engine.cards.weight == weight()
    assert not engine.cards.watching.done()


async def test_when_very_many_change_all_cards_are_let_go(
    process, read, database, customer, agent, stranger, monkeypatch
):
    monkeypatch.setattr(cards, "MOST_CHANGED", 1)
    engine = process()
    await read(engine)
    await engine.cards.look()  # three people are new, and a department
    assert engine.cards.kept == {}
    await read(engine)
    monkeypatch.delitem(engine.cards.tables, "departments")  # or the one that is new would be one too many
    for person in (customer, agent, stranger):  # whose card is shown is not among the last
        await database.rows("UPDATE people SET name = upper(name) WHERE id = :id", id=person.id)
    assert await until(read, engine, customer.name.upper()) < 1.5


async def test_a_change_that_commits_late_is_seen(process, read, engine, customer):
    """A card that was read before a commit can't stay, though the row says that it changed before it was read."""
    other = process()
    from sqlalchemy import text

    async with engine.begin() as connection:
        await connection.execute(text("UPDATE people SET name = 'Late' WHERE id = :id"), {"id": customer.id})
        assert "Carla" in await read(other)
        await asyncio.sleep(3 * cards.LOOK_SECONDS)
        assert "Carla" in await read(other)
    assert await until(read, other, '"Late"') < 1.5


async def test_what_is_not_looked_at_is_not_believed(process, read, database, customer, monkeypatch):
    engine = process()
    await read(engine)
    await engine.cards.close()  # as if nobody could look
    await database.rows("UPDATE people SET name = 'New' WHERE id = :id", id=customer.id)
    assert "Carla" in await read(engine)
    monkeypatch.setattr(engine.cards, "looked_at", time.monotonic() - cards.STALE_SECONDS - 0.1)
    assert '"New"' in await read(engine)


async def test_a_right_never_comes_from_a_card(process, read, customer, stranger, agent):
    engine = process()
    await read(engine)
    assert '"ticket":null' in await read(engine, viewer=Viewer(Role.CUSTOMER, stranger.id))
    assert '"email":null' not in await read(engine, WITH_EMAIL)
    seen_by_staff = await read(engine, WITH_EMAIL, Viewer(Role.AGENT, agent.id))
    assert customer.email in seen_by_staff


async def test_cards_are_bounded_and_let_go(process, read, monkeypatch):
    engine = process()
    monkeypatch.setattr(cards, "MOST_CARDS", 2)
    for query in (READ, READ.replace("called", "named"), READ):
        assert "Carla" in await read(engine, query)
        assert len(engine.cards.kept) <= 2
        assert sum(map(len, engine.cards.places.values())) == len(engine.cards.kept)
    with monkeypatch.context() as idle:
        idle.setattr(cards, "IDLE_SECONDS", 0)
        idle.setattr(engine.cards, "look", lambda: asyncio.sleep(0))  # or all that is new would be let go for that
        await asyncio.wait_for(engine.cards.watching, 5)
    assert engine.cards.kept == {}
    assert "Carla" in await read(engine)
    assert not engine.cards.watching.done()


async def test_what_was_not_looked_at_for_long_is_begun_anew_by_whoever_looks(process, read, monkeypatch):
    engine = process()
    await read(engine)
    looks = engine.cards.watching
    monkeypatch.setattr(engine.cards, "looked_at", 0.0)
    await read(engine)
    assert engine.cards.looked_at > 0
    assert engine.cards.watching is looks


async def test_cards_weigh_so_much_and_no_more(process, read, monkeypatch):
    engine = process()
    monkeypatch.setattr(cards, "HEAVIEST_CARDS", 300)
    for number in range(10):
        assert "Carla" in await read(engine, READ.replace("called", f"called{number}"))
        assert sum(map(len, engine.cards.kept.values())) <= engine.cards.weight <= 300
    assert engine.cards.kept


@pytest.mark.usefixtures("given")
async def test_a_plan_weighs_about_what_its_texts_do(process, read):
    engine = process()
    await read(engine)
    ((key, plan),) = engine.plans.kept.items()
    texts = [statement.sql for form in (plan.plain, plan.giving) for statement in form]
    assert engine.plans.weight == len(repr(key)) + plan.weight
    assert plan.weight == pytest.approx(sum(map(len, texts)), rel=0.2)


async def test_what_a_card_shows_lasts_no_longer_than_what_shows_it(process, read, database, customer):
    """Or whoever calls a name otherwise each time would fill the memory."""
    engine = process()
    engine.plans.most = 3
    queries = [READ.replace("called", f"called{number}") for number in range(20)]
    for query in queries:
        assert "Carla" in await read(engine, query)
    gc.collect()
    assert len(engine.cards.shapes) == len(engine.cards.known) <= 3 * 2  # of people and of departments
    await database.rows("UPDATE people SET name = 'Carlotta Customer' WHERE id = :id", id=customer.id)
    await until(read, engine, "Carlotta")
    for query in queries:  # also those that were forgotten
        assert "Carlotta" in await read(engine, query)


async def test_a_look_that_failed_is_no_reason_not_to_end_in_order(process, read, monkeypatch):
    engine = process()
    await read(engine)

    async def fails():
        raise LookupError("There is no such column.")

    monkeypatch.setattr(engine.cards, "look", fails)
    monkeypatch.setattr(cards, "LOOK_SECONDS", 0)
    with pytest.raises(LookupError):
        async with asyncio.timeout(5):
            await engine.cards.watching
    await engine.cards.close()


async def test_whoever_looks_goes_on_when_the_database_is_back(process, read, monkeypatch):
    engine, looks = process(), asyncio.Queue()
    await read(engine)

    async def away():
        looks.put_nowait("looked")
        raise Unavailable from ConnectionRefusedError()

    monkeypatch.setattr(engine.cards, "look", away)
    monkeypatch.setattr(cards, "LOOK_SECONDS", 0)
    with capture_logs() as logs:
        for _ in range(3):
            await asyncio.wait_for(looks.get(), 5)
    assert not engine.cards.watching.done()
    assert {(log["event"], log["error"]) for log in logs} == {("cards_not_looked_at", "ConnectionRefusedError")}


async def test_looks_belong_to_nobody_s_request(process, read, monkeypatch):
    """The first request has the process begin to look: what the log tells of looks after that is not of it."""
    engine, known = process(), asyncio.Queue()
    monkeypatch.setattr(cards, "LOOK_SECONDS", 0)
    token = doing.set(lambda: {"request_id": "somebody's"})
    try:
        await read(engine)
    finally:
        doing.reset(token)

    async def look():
        known.put_nowait(doing.get())

    monkeypatch.setattr(engine.cards, "look", look)
    assert [await asyncio.wait_for(known.get(), 5) for _ in range(3)] == [None] * 3
