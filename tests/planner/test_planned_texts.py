"""What is remembered of operations: by hash for clients that ask for it, and never more than there is room for."""

import gc
import hashlib
import tracemalloc

import planner_records as models
import pytest
from test_planned_limits import DOUBLING, engine

from planner.errors import BadRequest, PersistedQueryNotFound
from planner.limits import Most


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def caches(asked):
    return [asked.texts.documents, asked.texts.refused, asked.texts.persisted, asked.plans, asked.prices]


def test_a_text_is_remembered_by_its_hash():
    asked, text = engine(Most()), "{ word # \u00e9\n }"
    with pytest.raises(PersistedQueryNotFound, match=r"^PersistedQueryNotFound$") as raised:
        asked.persisted(sha(text), None)
    assert raised.value.code == "PERSISTED_QUERY_NOT_FOUND"

    for _ in range(2):
        assert asked.persisted(sha(text), text) == text
        assert asked.persisted(sha(text), None) == text


@pytest.mark.parametrize("given", ["{ me { id } }", "", "\ud800"])
def test_a_hash_of_another_text_is_refused(given):
    asked, text = engine(Most()), "{ word }"
    asked.persisted(sha(text), text)

    with pytest.raises(BadRequest, match="provided sha does not match query"):
        asked.persisted(sha(text), given)

    assert asked.persisted(sha(text), None) == text


@pytest.mark.parametrize("text", ["{ nonsense }", "{", DOUBLING, "{ word }" + " " * 100_000])
def test_what_is_wrong_or_long_is_not_remembered(text):
    asked = engine(Most())
    assert asked.persisted(sha(text), text) == text
    with pytest.raises(PersistedQueryNotFound):
        asked.persisted(sha(text), None)


def test_a_flood_of_documents_is_not_remembered():
    asked = engine(Most())
    for number in range(20_000):
        text = f"{{ a{number}: " + ("word }" if number % 16 == 0 else "")
        asked.persisted(sha(text), text)

    assert [len(cache.kept) for cache in caches(asked)] == [500, 500, 1000, 0, 0]
    assert all(cache.weight == sum(cache.weights.values()) for cache in caches(asked))
    assert asked.persisted(sha("{ a19984: word }"), None) == "{ a19984: word }"


async def test_a_flood_of_operations_keeps_memory_flat(ask, agent):
    for cache in caches(ask.engine):
        cache.most = 10

    async def flood(numbers):
        for number in numbers:
            await ask(agent, f'{{ a{number}: word(say: "{number}") b: broken(by: 1) }}')
            await ask(agent, f'{{ a{number}: shout(word: "a") b: staff {{ name }} }}')
            await ask(agent, f"{{ a{number}: nonsense }}")
            await ask(agent, f"mutation {{ a{number}: touchAll(ids: []) {{ __typename }} }}")
            ask.engine.subscription(f"subscription {{ a{number}: queueUpdated {{ name }} }}", None, None, agent)
        await ask.reads.close()  # with the statements that its connections keep
        ask.reads.statements.clear()
        ask.reads.closed = False
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    await flood(range(10))
    tracemalloc.start()
    before = await flood(range(10, 25))  # all that is kept is of these
    after = await flood(range(25, 60))
    tracemalloc.stop()

    for cache in caches(ask.engine):
        assert len(cache.kept) == len(cache.weights) <= 10
        assert cache.weight == sum(cache.weights.values())
    assert after - before < 100_000


async def test_long_texts_and_heavy_variables_are_not_kept(ask, agent):
    text = "query ($f: TicketFilter) { word tickets(filter: $f) { totalCount } }"
    for number in range(2):
        await ask.data(agent, text + " " * 100_000, f={"text": str(number)})
    await ask(agent, text, f={"anyOf": [{"text": "a"}] * 8000})
    await ask(agent, "{ nonsense" + "o" * 100_000 + " }")

    assert [len(cache.kept) for cache in caches(ask.engine)] == [1, 0, 0, 0, 0]
    data = await ask.data(agent, '{ word tickets(first: 1) { nodes { number } } shout(word: "a") }' + " " * 100_000)
    assert data["word"] == "nothing said"  # roots that graphql-core asks for find their document


def test_what_is_kept_is_bounded_by_weight_as_well():
    kept = engine(Most()).texts.documents
    kept.heaviest = 10
    for key, weight in (("a", 4), ("b", 4), ("a", 5), ("c", 4)):
        kept.put(key, key, weight)
    assert list(kept.kept) == ["a", "c"]

    kept.put("d", "d", 11)
    assert (list(kept.kept), kept.weight, kept.weights) == ([], 0, {})


async def test_what_a_plan_keeps_of_a_request_weighs_as_well(open_desk, agent, rows):
    text = "query ($id: ID!, $say: String) { word(say: $say) ticket(id: $id) { alike { totalCount } } }"
    weights = []
    for said in ("", "a" * 200):
        desk = open_desk()
        data = await desk.data(agent, text, id=f"ptk_{rows[models.Ticket][0].id}", say=said)
        assert data["ticket"]["alike"]["totalCount"] > 0
        weights.append(desk.engine.plans.weight)
    assert weights[1] == weights[0] + 200


async def test_a_refusal_that_is_kept_keeps_no_request(ask, customer):
    for _ in range(2):
        await ask(customer, "{ staff { name } }")
    kept = [found for found in ask.engine.plans.kept.values() if isinstance(found, Exception)]
    assert len(kept) == 2  # of the statement, and of the root by itself
    assert all(found.__traceback__ is None and found.__context__ is None for found in kept)
