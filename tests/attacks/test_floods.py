"""What is meant to cost more than it should: refused before it costs anything, by whichever transport it comes."""

import asyncio
import time

import graphql
import pytest
from graphql import get_introspection_query

from resolvers.root import schema

TRANSPORTS = ["POST", "GET", "WebSocket", "event stream"]
DESK = {"query": "{ desk { name } }"}


def doubling(root, on, leaf):
    """Fragments that each spread the next one twice: 2^25 fields in 2,000 characters."""
    parts = [f"fragment F{n} on {on} {{ ...F{n + 1} ...F{n + 1} }}" for n in range(25)]
    return f"{root} {' '.join(parts)} fragment F25 on {on} {{ {leaf} }}"


def within(levels):
    """Events of the ticket of each event, whichever of many types that is of: 28 to the power of the levels."""
    return "ticket { events { nodes { " * levels + "id" + " } } }" * levels


INTROSPECTION = get_introspection_query(descriptions=True)
AGAIN = "a: __schema { types { ...FullType } } b: __schema { types { ...FullType } }"
FLOODS = {
    "a fragments' bomb": doubling("{ desk { ...F0 } }", "Desk", "name"),
    "a bomb in a subscription": doubling("subscription { unreadCountUpdated { ...F0 } }", "UnreadCount", "count"),
    "a bomb in introspection": doubling("{ __schema { types { ...F0 } } }", "__Type", "name"),
    "inline fragments": "{ " + "... { " * 300 + "desk { name }" + " }" * 301,
    "levels": "{ tickets { nodes { " + "requester { tickets { nodes { " * 8 + "id" + " } } }" * 8 + " } } }",
    "aliases": "{ " + " ".join(f"a{n}: desk {{ name }}" for n in range(500)) + " }",
    "aliases below": "{ desk { " + " ".join(f"a{n}: name" for n in range(2_500)) + " } }",
    "one key again and again": "{ " + "desk { name } " * 300 + "}",
    "directives": "{ desk { name " + "@skip(if: false) " * 200 + "} }",
    "unknown directives": "{ desk { name " + "@a " * 300 + "} }",
    "tokens": "{ desk { " + "name " * 6_000 + "} }",
    "commas and comments": "{ desk { name } }" + "#\n" * 6_000,
    "values": "{ ticket(id: " + "[" * 2_600 + "]" * 2_600 + ") { id } }",
    "operations": " ".join(f"query Q{n} {{ desk {{ name }} }}" for n in range(1_200)),
    "introspection of introspection": "{ __schema { types { fields { type { fields { type { fields { type { fields { "
    "type { name } } } } } } } } } } }",
    "introspection three times": INTROSPECTION.replace("__schema {", f"{AGAIN} c: __schema {{", 1),
    "pages in pages": "{ tickets(first: 100) { nodes { requester { tickets(first: 100) { nodes { comments(first: 100) "
    "{ nodes { body } } } } } } } }",
    "types within types": f'{{ ticket(id: "tkt_") {{ events {{ nodes {{ {within(3)} }} }} }} }}',
    "variables": "query (" + " ".join(f"$v{n}: Int" for n in range(1_500)) + ") { desk { name } }",
}  # fmt: skip
POSSIBLE = {"TOO_COSTLY", "BAD_REQUEST"}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_is_refused_by_each_transport(asked_by, customer, transport, flood):
    began = time.process_time()
    async with asyncio.timeout(5):
        codes = await asked_by(transport, {"query": flood}, customer.token)
    assert codes
    assert set(codes) <= POSSIBLE
    assert time.process_time() - began < 1
    assert await asked_by(transport, DESK) == []


@pytest.mark.parametrize("transport", ["POST", "WebSocket", "event stream"])
async def test_no_batch_is_served(asked_by, transport):
    assert await asked_by(transport, [DESK] * 100) == ["BAD_REQUEST"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_would_repeat_a_guess_is_refused(asked_by, customer, database, transport):
    """An operation tries one password, however many it names; by GET none at all."""
    guess = 'signIn(input: {email: "carla.customer@example.com", password: "%s"}) { __typename }'
    text = "mutation { " + " ".join(f"a{n}: {guess % n}" for n in range(10)) + " }"

    await asked_by(transport, {"query": text})

    (tried,) = await database.rows("SELECT coalesce(sum(count), 0) AS count FROM attempts")
    assert tried["count"] == (0 if transport == "GET" else 2)  # one for the address, one for the network


def test_each_subscription_has_one_root_field():
    text = "subscription { unreadCountUpdated { count } a: unreadCountUpdated { count } }"
    assert graphql.validate(schema._schema, graphql.parse(text))
