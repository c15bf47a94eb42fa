"""A session goes on by its newest refresh token alone, and ends when its person says so."""

import asyncio
from dataclasses import replace

import pytest

from domain import attempts, sessions
from infra import unit

REFRESH = """mutation($token: String) { refreshSession(input: {refreshToken: $token}) { __typename
  ... on RefreshSessionSuccess { session { accessToken refreshToken refreshTokenExpiresAt
    viewer { person { name } } } }
  ... on RateLimited { retryAfterSeconds } ... on Refusal { message } } }"""
SIGN_OUT = """mutation($everywhere: Boolean! = false) { signOut(input: {everywhere: $everywhere}) { __typename
  ... on SignOutSuccess { endedSessionCount } ... on Refusal { message } } }"""
WHO = "{ viewer { person { name } } }"
WRONG = {
    "__typename": "WrongCredentials",
    "message": "This is not right, or not any more. Try again, or ask for a link by email.",
}


@pytest.fixture
def refresh(api):
    """Goes on with a refresh token, and gives the session or the refusal."""

    async def tried(token):
        answer = (await api(None, REFRESH, token=token))["refreshSession"]
        return answer.get("session") or answer

    return tried


@pytest.fixture
async def opened(desk, customer):
    """A session of the customer."""
    async with desk.writes.begin() as writing:
        return await sessions.open_for(desk, writing, customer.id)


@pytest.fixture
def status(http):
    """What a request with this access token is answered, as a status."""

    async def asked(token):
        headers = {"Authorization": f"Bearer {token}"}
        return (await http.post("/graphql", json={"query": WHO}, headers=headers)).status_code

    return asked


async def ended(database):
    """How many sessions have ended."""
    (row,) = await database.rows("SELECT count(*) AS ended FROM sessions WHERE ended_at IS NOT NULL")
    return row["ended"]


# --- Going on ---------------------------------------------------------------------------------------------------------


async def test_each_refresh_token_gives_the_next_one(refresh, status, database, opened):
    before = await database.counts()

    first = await refresh(opened.refresh_token)
    second = await refresh(first["refreshToken"])

    assert first["viewer"] == second["viewer"] == {"person": {"name": "Carla Customer"}}
    assert len({opened.refresh_token, first["refreshToken"], second["refreshToken"]}) == 3
    assert second["refreshTokenExpiresAt"] == first["refreshTokenExpiresAt"]  # a session lasts as long as it was opened
    assert await status(second["accessToken"]) == 200
    assert await database.counts() == before  # it is the same session that goes on
    assert await ended(database) == 0


async def test_a_token_that_comes_back_ends_its_whole_chain(refresh, status, database, opened):
    newest = await refresh(opened.refresh_token)

    assert await refresh(opened.refresh_token) == WRONG

    assert await refresh(newest["refreshToken"]) == WRONG
    assert await status(newest["accessToken"]) == 401
    assert await status(opened.access_token) == 401
    assert await ended(database) == 1


async def test_other_sessions_go_on_when_a_chain_ends(refresh, status, database, opened, customer):
    await refresh(opened.refresh_token)
    await refresh(opened.refresh_token)

    assert await ended(database) == 1
    assert await status(customer.token) == 200


async def test_one_token_used_twice_at_once_gives_one_answer_and_ends_the_chain(refresh, database, opened):
    answers = await asyncio.gather(refresh(opened.refresh_token), refresh(opened.refresh_token))

    assert sorted("refreshToken" in answer for answer in answers) == [False, True]
    assert WRONG in answers
    assert await ended(database) == 1


async def test_what_is_no_refresh_token_is_refused(desk, refresh, database, opened):
    head, payload, signature = opened.refresh_token.split(".")
    claims = {"sid": str(opened.session_id), "number": 0}
    wrong = {
        "nothing": "",
        "nonsense": "x.y.z",
        "forged": f"{head}.{payload}.{signature[::-1]}",
        "an access token": opened.access_token,
        "too late": desk.signer.sign(sessions.REFRESH, claims, -61),
        "of no session": desk.signer.sign(sessions.REFRESH, claims | {"sid": str(opened.viewer.id)}, 60),
    }
    before = await database.counts()

    assert {name: await refresh(token) for name, token in wrong.items()} == dict.fromkeys(wrong, WRONG)
    assert await database.counts() == before
    assert await ended(database) == 0


async def test_a_session_ends_with_its_time(refresh, database, opened):
    await database.rows("UPDATE sessions SET expires_at = :now WHERE id = :id", now=unit.now(), id=opened.session_id)

    assert await refresh(opened.refresh_token) == WRONG


async def test_somebody_who_was_shut_out_does_not_go_on(refresh, database, opened, customer):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=customer.id)

    assert await refresh(opened.refresh_token) == WRONG


async def test_a_session_goes_on_with_the_role_of_now(api, refresh, database, opened, customer):
    await database.rows("UPDATE people SET role = 'ADMIN' WHERE id = :id", id=customer.id)

    customer.token = (await refresh(opened.refresh_token))["accessToken"]

    assert "MANAGE_SETTINGS" in (await api(customer, "{ viewer { can } }"))["viewer"]["can"]


async def test_refresh_tokens_are_not_tried_without_end(refresh, monkeypatch, database, opened):
    monkeypatch.setattr(attempts, "TOKEN_BY_NETWORK", replace(attempts.TOKEN_BY_NETWORK, most=2))
    assert [await refresh("wrong") for _ in range(2)] == [WRONG] * 2

    answer = await refresh("wrong")

    assert answer["__typename"] == "RateLimited"
    assert answer["retryAfterSeconds"] > 0
    assert "accessToken" in await refresh(opened.refresh_token)  # which is right, and nobody's guess
    assert await ended(database) == 0


async def test_as_many_as_like_go_on_behind_one_address(refresh, desk, monkeypatch, database, customer):
    monkeypatch.setattr(attempts, "TOKEN_BY_NETWORK", replace(attempts.TOKEN_BY_NETWORK, most=1))
    for _ in range(3):
        async with desk.writes.begin() as writing:
            opened = await sessions.open_for(desk, writing, customer.id)
        assert "accessToken" in await refresh(opened.refresh_token)
        assert await refresh(None) == WRONG  # a page that asks whether somebody is signed in
    assert await database.rows("SELECT 1 FROM audit_entries WHERE action = 'signInRefused'") == []


# --- Signing out ------------------------------------------------------------------------------------------------------


async def test_signing_out_ends_this_session_and_no_other(api, refresh, status, opened, customer):
    here = customer.token
    customer.token = opened.access_token

    response = await api.post(customer, SIGN_OUT)

    assert response.json()["data"]["signOut"] == {"__typename": "SignOutSuccess", "endedSessionCount": 1}
    assert response.headers["set-cookie"].startswith("deskwire_refresh=; Max-Age=0; Path=/graphql")
    assert await status(opened.access_token) == 401
    assert await refresh(opened.refresh_token) == WRONG
    assert await status(here) == 200


async def test_signing_out_everywhere_ends_all_sessions_of_the_viewer_alone(
    api, status, database, opened, customer, stranger
):
    answer = (await api(customer, SIGN_OUT, everywhere=True))["signOut"]

    assert answer == {"__typename": "SignOutSuccess", "endedSessionCount": 2}
    assert [await status(token) for token in (customer.token, opened.access_token)] == [401, 401]
    assert await status(stranger.token) == 200
    assert await ended(database) == 2


async def test_what_has_ended_before_is_not_ended_again(api, desk, database, customer):
    async with desk.writes.begin() as writing:
        over = [await sessions.open_for(desk, writing, customer.id) for _ in range(2)]
    await database.rows("UPDATE sessions SET ended_at = created_at WHERE id = :id", id=over[0].session_id)
    await database.rows("UPDATE sessions SET expires_at = now() WHERE id = :id", id=over[1].session_id)

    assert (await api(customer, SIGN_OUT, everywhere=True))["signOut"]["endedSessionCount"] == 1
    assert await database.rows("SELECT id FROM sessions WHERE ended_at > created_at") == [{"id": customer.session_id}]


async def test_an_ended_session_is_told_apart_from_nobody(http, api, opened, customer):
    customer.token = opened.access_token
    await api(customer, SIGN_OUT)

    response = await api.post(customer, WHO)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert (await api(None, WHO)) == {"viewer": None}


async def test_nobody_signs_out_who_is_not_signed_in(api, database, opened):
    before = await database.counts()

    assert await api.refused(None, SIGN_OUT) == "UNAUTHENTICATED"
    assert await api.refused(None, SIGN_OUT, everywhere=True) == "UNAUTHENTICATED"
    assert await database.counts() == before
    assert await ended(database) == 0


async def test_a_session_for_one_ticket_ends_itself_and_no_other(api, desk, database, customer, opened, ticket):
    await database.rows(
        "UPDATE sessions SET ticket_id = CAST(:ticket AS uuid) WHERE id = :id", ticket=ticket.id, id=opened.session_id
    )
    customer.token = (await sessions.refresh(desk, "somewhere", token=opened.refresh_token)).access_token
    before = await database.counts()

    everywhere = (await api(customer, SIGN_OUT, everywhere=True))["signOut"]

    assert everywhere["__typename"] == "NotAllowed"
    assert await database.counts() == before
    assert await ended(database) == 0
    assert (await api(customer, SIGN_OUT))["signOut"]["endedSessionCount"] == 1
