"""Signing in by email address and password: who gets in, what those learn who don't, and how often they may try."""

import datetime as dt
from unittest.mock import ANY

import argon2
import httpx
import pytest

from domain import attempts, sessions
from domain.refusals import RateLimited
from infra import unit

PASSWORD = "correct horse battery staple"
HASH = sessions.hash_password(PASSWORD)
SIGN_IN = """mutation SignIn($input: SignInInput!) { signIn(input: $input) { __typename
  ... on SignInSuccess { session { accessToken refreshToken accessTokenExpiresAt refreshTokenExpiresAt
    viewer { person { name email } can } } }
  ... on RateLimited { message retryAfterSeconds } ... on InvalidInput { field message }
  ... on Refusal { message } } }"""
REFRESH = """mutation { refreshSession(input: {}) { __typename
  ... on RefreshSessionSuccess { session { accessToken refreshToken viewer { person { name } } } } } }"""
WHO = "{ viewer { person { name } } }"


def test_where_nobody_has_an_address_it_takes_as_long():
    assert argon2.extract_parameters(sessions.NOBODYS_HASH) == argon2.extract_parameters(HASH)


@pytest.fixture
async def known(customer, database):
    """Somebody who has a password."""
    await database.rows("UPDATE people SET password_hash = :hash WHERE id = :id", hash=HASH, id=customer.id)
    return customer


@pytest.fixture
def sign_in(api):
    """Tries to sign in, and gives the response."""

    async def tried(email, password=PASSWORD, **given):
        return await api.post(None, SIGN_IN, input={"email": email, "password": password} | given)

    return tried


@pytest.fixture
async def browser(application):
    """A client that keeps cookies of its own."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
        yield client


async def test_the_right_password_opens_a_session(api, http, sign_in, known):
    response = await sign_in("  Carla.Customer@Example.com ")

    answer = response.json()["data"]["signIn"]
    assert answer == {
        "__typename": "SignInSuccess",
        "session": {
            "accessToken": ANY,
            "refreshToken": ANY,
            "accessTokenExpiresAt": ANY,
            "refreshTokenExpiresAt": ANY,
            "viewer": {"person": {"name": "Carla Customer", "email": known.email}, "can": ["SUBMIT_TICKETS"]},
        },
    }
    assert "set-cookie" not in response.headers
    token = answer["session"]["accessToken"]
    seen = await http.post("/graphql", json={"query": WHO}, headers={"Authorization": f"Bearer {token}"})
    assert seen.json()["data"]["viewer"]["person"]["name"] == "Carla Customer"


async def test_staff_see_when_somebody_last_signed_in(api, sign_in, known, agent):
    query = "query ($id: ID!) { person(id: $id) { lastSeenAt } }"
    before = unit.now()

    await sign_in(known.email)

    seen = (await api(agent, query, id=known.gid))["person"]["lastSeenAt"]
    assert before <= dt.datetime.fromisoformat(seen) <= unit.now()


async def test_it_is_told_when_the_tokens_end(sign_in, known):
    session = (await sign_in(known.email)).json()["data"]["signIn"]["session"]

    def seconds(text):
        return (dt.datetime.fromisoformat(text) - unit.now()).total_seconds()

    assert seconds(session["accessTokenExpiresAt"]) == pytest.approx(5 * 60, abs=5)
    assert seconds(session["refreshTokenExpiresAt"]) == pytest.approx(30 * 24 * 60 * 60, abs=5)


@pytest.mark.parametrize("password", ["correct horse battery stapl", PASSWORD.upper(), "", "x" * 129])
async def test_a_wrong_password_opens_nothing(sign_in, database, known, password):
    before = await database.counts()

    answer = (await sign_in(known.email, password)).json()

    assert answer["data"]["signIn"] == {
        "__typename": "WrongCredentials",
        "message": "This is not right, or not any more. Try again, or ask for a link by email.",
    }
    assert await database.counts() == before


async def test_a_password_that_is_replaced_while_it_is_tried_opens_nothing(desk, sign_in, database, known, monkeypatch):
    """Who has the password of before can't have come in a moment before all sessions were ended."""
    verified = sessions.verified

    async def overtaken(hashed, password):
        right = await verified(hashed, password)
        await database.rows("UPDATE people SET password_hash = :new", new=sessions.NOBODYS_HASH)
        return right

    monkeypatch.setattr(sessions, "verified", overtaken)
    before = await database.rows("SELECT id FROM sessions")

    answer = (await sign_in(known.email)).json()["data"]["signIn"]

    assert answer["__typename"] == "WrongCredentials"
    assert await database.rows("SELECT id FROM sessions") == before


async def test_nobody_learns_who_is_known_here(sign_in, database, house, known):
    shut_out = await house.person("Ina Inactive", password=PASSWORD)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=shut_out.id)
    without = await house.person("Willa Without")
    before = await database.counts()

    wrong = await sign_in(known.email, "not this")
    others = [await sign_in(email) for email in ("unknown@example.com", shut_out.email, without.email)]

    assert wrong.json()["data"]["signIn"]["__typename"] == "WrongCredentials"
    assert [(other.status_code, other.content) for other in others] == [(wrong.status_code, wrong.content)] * 3
    assert [list(other.headers) for other in others] == [list(wrong.headers)] * 3
    assert await database.counts() == before


async def test_what_is_no_email_address_is_said(sign_in, database):
    before = await database.counts()

    answer = (await sign_in("not an address")).json()["data"]["signIn"]

    assert answer == {"__typename": "InvalidInput", "field": "email", "message": "This is not an email address."}
    assert await database.counts() == before


async def test_after_ten_tries_for_one_address_even_the_right_password_waits(sign_in, database, known):
    for _ in range(10):
        assert (await sign_in(known.email, "not this")).json()["data"]["signIn"]["__typename"] == "WrongCredentials"
    before = await database.counts()

    answer = (await sign_in(known.email.upper())).json()["data"]["signIn"]

    assert answer["__typename"] == "RateLimited"
    assert 0 < answer["retryAfterSeconds"] <= 30 * 60
    assert await database.counts() == before
    somebody_else = (await sign_in("unknown@example.com")).json()["data"]["signIn"]
    assert somebody_else["__typename"] == "WrongCredentials"


async def test_who_signs_in_often_is_not_taken_for_who_guesses(sign_in, known):
    for _ in range(9):
        await sign_in(known.email, "not this")

    answers = [(await sign_in(known.email)).json()["data"]["signIn"]["__typename"] for _ in range(3)]
    wrong = [(await sign_in(known.email, "not this")).json()["data"]["signIn"]["__typename"] for _ in range(2)]

    assert answers == ["SignInSuccess"] * 3
    assert wrong == ["WrongCredentials", "RateLimited"]


async def test_who_signs_in_gives_nobody_else_another_try(sign_in, known):
    for _ in range(10):
        await sign_in("unknown@example.com")

    await sign_in(known.email)

    answer = (await sign_in("unknown@example.com")).json()["data"]["signIn"]
    assert answer["__typename"] == "RateLimited"


async def test_addresses_that_nobody_has_are_limited_alike(sign_in):
    answers = [(await sign_in("unknown@example.com")).json()["data"]["signIn"]["__typename"] for _ in range(11)]

    assert answers == ["WrongCredentials"] * 10 + ["RateLimited"]


@pytest.mark.parametrize("into_the_window", [1, 450, 899])
async def test_whoever_waits_as_long_as_told_may_try_again(desk, database, monkeypatch, into_the_window):
    limit, moment = attempts.SIGN_IN_BY_EMAIL, attempts.EPOCH + dt.timedelta(days=2500, seconds=into_the_window)
    monkeypatch.setattr(unit, "now", lambda: moment)
    for _ in range(10):
        await attempts.take(desk.writes, limit, "somebody")
    with pytest.raises(RateLimited) as refused:
        await attempts.take(desk.writes, limit, "somebody")

    moment += dt.timedelta(seconds=refused.value.retry_after_seconds)

    await attempts.take(desk.writes, limit, "somebody")


async def test_one_network_may_not_try_many_addresses(desk, database, sign_in, known):
    for _ in range(100):
        await attempts.take(desk.writes, attempts.SIGN_IN_BY_NETWORK, "127.0.0.1")

    assert (await sign_in(known.email)).json()["data"]["signIn"]["__typename"] == "RateLimited"


async def test_credentials_are_tried_once_per_request_however_many_aliases_it_has(api, database, known):
    twice = """mutation($first: SignInInput!, $second: SignInInput!) {
      first: signIn(input: $first) { __typename } second: signIn(input: $second) { __typename }
      third: refreshSession(input: {refreshToken: "x"}) { __typename }
      fourth: signInWithLink(input: {token: "x"}) { __typename } }"""
    before = await database.counts()

    answer = await api(
        None,
        twice,
        first={"email": known.email, "password": "not this"},
        second={"email": known.email, "password": PASSWORD},
    )

    assert [root["__typename"] for root in answer.values()] == ["WrongCredentials", *["RateLimited"] * 3]
    assert await database.counts() == before
    counted = await database.rows("SELECT sum(count) AS tries FROM attempts")
    assert counted == [{"tries": 2}]  # by the address and by the network, once each


async def test_a_browser_gets_a_cookie_that_no_script_can_read_and_goes_on_with_it(browser, known):
    given = {"email": known.email, "password": PASSWORD, "useCookie": True}

    signed_in = await browser.post("/graphql", json={"query": SIGN_IN, "variables": {"input": given}})

    assert signed_in.json()["data"]["signIn"]["session"]["refreshToken"] is None
    cookie, *attributes = signed_in.headers["set-cookie"].split("; ")
    assert cookie.startswith("deskwire_refresh=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/graphql"} <= set(attributes)
    assert "Secure" not in attributes  # the desk of this test is served without TLS

    first = (await browser.post("/graphql", json={"query": REFRESH})).json()["data"]["refreshSession"]
    second = (await browser.post("/graphql", json={"query": REFRESH})).json()["data"]["refreshSession"]
    assert first["session"] == {
        "accessToken": ANY,
        "refreshToken": None,
        "viewer": {"person": {"name": "Carla Customer"}},
    }
    assert second["__typename"] == "RefreshSessionSuccess"


async def test_without_a_cookie_or_a_token_no_session_goes_on(browser, database):
    before = await database.counts()

    answer = (await browser.post("/graphql", json={"query": REFRESH})).json()["data"]["refreshSession"]

    assert answer == {"__typename": "WrongCredentials"}
    assert await database.counts() == before
