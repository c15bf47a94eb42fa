"""Who guesses learns nothing: not by the bytes of an answer, not by what is done for it, and not without end."""

import json

import pytest

from domain import attempts, sessions
from domain.refusals import RateLimited
from infra.postgres import Connection

SIGN_IN = """mutation ($email: String!) { signIn(input: {email: $email, password: "not this one"}) {
  __typename ... on Refusal { message } } }"""
REQUEST = """mutation ($email: String!) { requestSignInLink(input: {email: $email}) { __typename
  ... on RequestSignInLinkSuccess { email } ... on Refusal { message } } }"""
SIGN_UP = """mutation ($email: String!) { signUp(input: {email: $email, name: "Nora New"}) { __typename
  ... on SignUpSuccess { email } ... on Refusal { message } } }"""
DOORS = {"signIn": SIGN_IN, "requestSignInLink": REQUEST, "signUp": SIGN_UP}


@pytest.fixture
async def addresses(house, database):
    """Addresses of the same length, by who has them."""
    found = {name: f"{name}@example.com" for name in ("known1", "nopass", "shutup", "nobody", "foobar")}
    await house.person("Kara Known", email=found["known1"], password="correct horse battery staple")
    await house.person("Willa Without", email=found["nopass"])
    gone = await house.person("Ina Inactive", email=found["shutup"], password="correct horse battery staple")
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    return found


@pytest.fixture
def work_done(monkeypatch):
    """What was done for an answer: how many passwords were compared, and how many statements read."""
    done = {"passwords": 0, "reads": 0}
    verified, fetch = sessions.verified, Connection.fetch

    async def compared(known, password):
        done["passwords"] += 1
        return await verified(known, password)

    async def fetched(self, sql, arguments):
        done["reads"] += "clock_timestamp()" not in sql
        return await fetch(self, sql, arguments)

    monkeypatch.setattr(sessions, "verified", compared)
    monkeypatch.setattr(Connection, "fetch", fetched)
    return done


@pytest.mark.parametrize(("door", "text"), DOORS.items())
async def test_no_door_tells_who_is_known(browser, addresses, work_done, door, text):
    """Over a real connection: status, headers and bytes are alike, and so is what was done."""
    await browser.get("/graphql", params={"query": "{ desk { name } }"})  # then it has the cookie of a visitor
    seen = {}
    for name, email in addresses.items():
        work_done |= {"passwords": 0, "reads": 0}
        answer = await browser.post("/graphql", json={"query": text, "variables": {"email": email}})
        headers = {key: value for key, value in answer.headers.items() if key != "date"}
        seen[name] = (answer.status_code, headers, answer.content.replace(email.encode(), b"?"), dict(work_done))
        assert door in answer.json()["data"]
        assert "errors" not in answer.json()
    assert len({json.dumps(each, default=repr) for each in seen.values()}) == 1, seen
    assert seen["nobody"][3]["passwords"] == (door == "signIn")


async def test_who_is_stopped_is_stopped_alike(browser, addresses):
    answers = []
    for email in (addresses["known1"], addresses["nobody"]):
        asked = {"query": SIGN_IN, "variables": {"email": email}}
        for _ in range(11):
            answer = await browser.post("/graphql", json=asked)
        answers.append(answer.json()["data"]["signIn"]["__typename"])
    assert answers == ["RateLimited"] * 2


async def taken(desk, limit, addresses):
    """How many attempts were let pass."""
    passed = 0
    for address in addresses:
        try:
            await attempts.take(desk.writes, limit, address)
        except RateLimited:
            break
        passed += 1
    return passed


@pytest.mark.parametrize(
    ("addresses", "passed"),
    [
        ([f"2001:db8:1:2::{n:x}" for n in range(20)], 5),
        ([f"2001:db8:1:2:{n:x}::1" for n in range(20)], 5),
        ([f"2001:db8:1:{n:x}::1" for n in range(20)], 20),
        ([f"192.0.2.{n}" for n in range(20)], 20),
        ([f"::ffff:192.0.2.{n}" for n in range(20)], 20),
        (["192.0.2.7", "::ffff:192.0.2.7"] * 10, 5),
        (["not an address"] * 20, 5),
        ([""] * 20, 5),
    ],
)
async def test_who_has_many_addresses_is_one_network(desk, database, addresses, passed):
    """A household with IPv6 has 2^64 of them: without this, a limit for an address were none."""
    assert await taken(desk, attempts.SIGN_UP_BY_NETWORK, addresses) == passed


async def test_people_are_told_apart_whatever_they_look_like(desk, database):
    assert await taken(desk, attempts.PASSWORD_BY_PERSON, [f"2001:db8::{n}" for n in range(20)]) == 20
