"""Operations that clients name by a hash, as Apollo's do: sent with their text once, and without it ever after."""

import hashlib
import json
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

PLAIN = {"Accept": "application/json"}
EVENTS = {"Accept": "text/event-stream"}


def sha256_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def by_hash(sha256, **more):
    return more | {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256}}}


@pytest.fixture
def text():
    """A query that no other test has sent."""
    return f"query A{uuid4().hex} {{ desk {{ name }} }}"


NOT_FOUND = [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
DESK = {"desk": {"name": "Deskwire"}}


@pytest.mark.parametrize("headers", [{}, PLAIN])
async def test_a_text_is_sent_once_and_its_hash_ever_after(http, text, headers):
    sha256 = sha256_of(text)

    unknown = await http.post("/graphql", json=by_hash(sha256), headers=headers)
    assert (unknown.status_code, unknown.json()) == (200, {"errors": NOT_FOUND})

    for asked in (by_hash(sha256, query=text), by_hash(sha256), by_hash(sha256, query=None), by_hash(sha256, query="")):
        answer = await http.post("/graphql", json=asked, headers=headers)
        assert (answer.status_code, answer.json()["data"]) == (200, DESK)


async def test_hashes_come_by_get_too(http, text):
    named = by_hash(sha256_of(text))
    extensions = {"extensions": json.dumps(named["extensions"])}

    unknown = await http.get("/graphql", params=extensions)
    assert (unknown.status_code, unknown.json()) == (200, {"errors": NOT_FOUND})
    browsing = await http.get("/graphql", params=extensions, headers={"Accept": "text/html, */*"})
    assert browsing.json() == {"errors": NOT_FOUND}  # and no page

    assert (await http.get("/graphql", params=extensions | {"query": text})).json()["data"] == DESK
    assert (await http.get("/graphql", params=extensions)).json()["data"] == DESK


async def test_variables_and_names_go_with_a_hash(http, customer, ticket):
    text = "query A { desk { name } } query B ($id: ID!) { ticket(id: $id) { subject } }"
    headers = {"Authorization": f"Bearer {customer.token}"}
    for asked in (by_hash(sha256_of(text), query=text), by_hash(sha256_of(text))):
        asked |= {"operationName": "B", "variables": {"id": ticket.gid}}
        answer = await http.post("/graphql", json=asked, headers=headers)
        assert answer.json()["data"] == {"ticket": {"subject": "Printer on fire"}}


async def test_a_mutation_by_its_hash_needs_a_post_all_the_same(http, database):
    text = 'mutation { requestSignInLink(input: {email: "a@example.com"}) { __typename } }'
    named = by_hash(sha256_of(text))
    answer = await http.post("/graphql", json=named | {"query": text})
    assert answer.json()["data"] == {"requestSignInLink": {"__typename": "RequestSignInLinkSuccess"}}

    before = await database.counts()
    answer = await http.get("/graphql", params={"extensions": json.dumps(named["extensions"])})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert await database.counts() == before


async def test_an_event_stream_tells_what_is_missing(http, text):
    answer = await http.post("/graphql", json=by_hash(sha256_of(text)), headers=EVENTS)
    assert answer.status_code == 200
    assert f"event: next\ndata: {json.dumps({'errors': NOT_FOUND}, separators=(',', ':'))}\n\n" in answer.text


async def test_a_text_that_is_not_the_hashs_is_refused_and_not_kept(http, text):
    sha256 = sha256_of(text)
    with capture_logs() as logs:
        answer = await http.post("/graphql", json=by_hash(sha256, query="{ viewer { id } }"))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "provided sha does not match query"
    assert (await http.post("/graphql", json=by_hash(sha256))).json() == {"errors": NOT_FOUND}
    assert logs == []


async def test_a_text_that_is_not_valid_is_not_kept(http):
    text = f"{{ nonsense{uuid4().hex} }}"
    answer = await http.post("/graphql", json=by_hash(sha256_of(text), query=text))
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert (await http.post("/graphql", json=by_hash(sha256_of(text)))).json() == {"errors": NOT_FOUND}


GOOD = "0" * 64
BAD = {
    "no object": "x",
    "a list": [1, GOOD],
    "nothing in it": {},
    "no version": {"sha256Hash": GOOD},
    "another version": {"version": 2, "sha256Hash": GOOD},
    "version as text": {"version": "1", "sha256Hash": GOOD},
    "a version that is true": {"version": True, "sha256Hash": GOOD},
    "no hash": {"version": 1},
    "a hash that is a number": {"version": 1, "sha256Hash": 3},
    "no hash at all": {"version": 1, "sha256Hash": ""},
    "too short": {"version": 1, "sha256Hash": GOOD[1:]},
    "too long": {"version": 1, "sha256Hash": GOOD + "0"},
    "a line more": {"version": 1, "sha256Hash": GOOD + "\n"},
    "capitals": {"version": 1, "sha256Hash": "A" * 64},
    "other digits": {"version": 1, "sha256Hash": "٣" * 64},
    "a nul": {"version": 1, "sha256Hash": "\0" * 64},
    "much": {"version": 1, "sha256Hash": "0" * 100_000},
}


@pytest.mark.parametrize("named", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("query", [None, "{ desk { name } }"])
async def test_what_is_no_hash_is_refused(http, named, query):
    with capture_logs() as logs:
        answer = await http.post("/graphql", json={"query": query, "extensions": {"persistedQuery": named}})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "`persistedQuery`" in error["message"]
    assert len(error["message"]) < 200
    assert logs == []


async def test_other_extensions_are_none_of_ours(http):
    for extensions in ({}, None, {"persistedQuery": None}, {"clientLibrary": {"name": "x"}}):
        answer = await http.post("/graphql", json={"query": "{ desk { name } }", "extensions": extensions})
        assert answer.json()["data"] == DESK
