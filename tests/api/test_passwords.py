"""Setting a password: what it takes, which are refused, and what ends by it."""

import pytest

from domain import attempts, sessions

SET = """mutation($input: SetPasswordInput!) { setPassword(input: $input) { __typename
  ... on SetPasswordSuccess { viewer { person { name } } } ... on InvalidInput { field message }
  ... on RateLimited { retryAfterSeconds } ... on Refusal { message } } }"""
SIGN_IN = """mutation($email: String!, $password: String!) { signIn(input: {email: $email, password: $password}) {
  __typename } }"""
PASSWORD = "correct horse battery staple"
NEW = "three green umbrellas"
DONE = {"__typename": "SetPasswordSuccess", "viewer": {"person": {"name": "Carla Customer"}}}


@pytest.fixture
def set_password(api):
    """Sets a password, and gives the answer."""

    async def tried(viewer, new=NEW, **given):
        return (await api(viewer, SET, input={"newPassword": new} | given))["setPassword"]

    return tried


@pytest.fixture
async def known(house, customer, database):
    """The customer, with a password."""
    await database.rows(
        "UPDATE people SET password_hash = :hash WHERE id = :id", hash=sessions.hash_password(PASSWORD), id=customer.id
    )
    return customer


async def hash_of(database, person):
    return (await database.rows("SELECT password_hash FROM people WHERE id = :id", id=person.id))[0]["password_hash"]


async def open_one(desk, person, **given):
    async with desk.writes.begin() as unit:
        return await sessions.open_for(desk, unit, person.id, **given)


async def test_the_first_password_needs_none_before(api, set_password, customer):
    assert await set_password(customer) == DONE

    answer = await api(None, SIGN_IN, email=customer.email, password=NEW)
    assert answer["signIn"]["__typename"] == "SignInSuccess"


async def test_who_has_one_must_know_it(api, set_password, database, known):
    before = await database.counts(), await hash_of(database, known)

    for current in ({}, {"currentPassword": None}, {"currentPassword": "wrong"}, {"currentPassword": "x" * 200}):
        assert (await set_password(known, **current))["__typename"] == "WrongCredentials"
    assert (await database.counts(), await hash_of(database, known)) == before

    assert await set_password(known, currentPassword=PASSWORD) == DONE
    old = (await api(None, SIGN_IN, email=known.email, password=PASSWORD))["signIn"]
    assert old["__typename"] == "WrongCredentials"


async def test_who_came_by_a_link_need_not_know_it(set_password, desk, known):
    known.token = (await open_one(desk, known, by_link=True)).access_token

    assert await set_password(known) == DONE


async def test_a_session_that_was_opened_by_a_link_still_is_after_a_refresh(set_password, desk, known):
    opened = await open_one(desk, known, by_link=True)
    known.token = (await sessions.refresh(desk, "here", token=opened.refresh_token)).access_token

    assert await set_password(known) == DONE


async def test_other_sessions_end_at_once_and_this_one_goes_on(api, set_password, desk, known, stranger):
    other = await open_one(desk, known)

    await set_password(known, currentPassword=PASSWORD)

    assert (await api.post(known, "{ viewer { id } }")).status_code == 200
    assert (await api.post(stranger, "{ viewer { id } }")).status_code == 200
    known.token = other.access_token
    assert (await api.post(known, "{ viewer { id } }")).status_code == 401


@pytest.mark.parametrize(
    "password",
    [
        "elevenchars",
        "x" * 129,
        "aaaaaaaaaaaaaaaa",
        "121212121212",
        "passwordpassword",
        "PasswordPassword",
        "1qaz2wsx3edc",
        "qwerty123456",
        "carla.customer@example.com",
        "Carla Customer",
    ],
)
async def test_what_anybody_would_try_is_refused(set_password, database, customer, password):
    before = await database.counts()

    answer = await set_password(customer, password)

    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "newPassword")
    assert await database.counts() == before
    assert await hash_of(database, customer) is None


@pytest.mark.parametrize(
    "password", ["twelve chars", "ü" * 4 + "abcdefgh", "correct horse battery staple", "x7!aB" * 25]
)
async def test_what_is_long_enough_will_do(set_password, customer, password):
    assert await set_password(customer, password) == DONE


async def test_a_password_is_not_guessed_without_end(desk, set_password, known):
    for _ in range(attempts.PASSWORD_BY_PERSON.most):
        await attempts.take(desk.writes, attempts.PASSWORD_BY_PERSON, str(known.id))

    answer = await set_password(known, currentPassword=PASSWORD)

    assert answer["__typename"] == "RateLimited"


async def test_one_request_tries_once(api, known):
    one = 'setPassword(input: {currentPassword: "wrong", newPassword: "three green umbrellas"}) { __typename }'
    answer = await api(known, f"mutation {{ a: {one} b: {one} }}")

    assert [answer[name]["__typename"] for name in "ab"] == ["WrongCredentials", "RateLimited"]


async def test_nobody_and_a_session_for_one_ticket_set_none(api, set_password, desk, database, customer, ticket):
    assert await api.refused(None, SET, input={"newPassword": NEW}) == "UNAUTHENTICATED"
    customer.token = (await open_one(desk, customer, ticket_id=ticket.uuid)).access_token

    assert (await set_password(customer))["__typename"] == "NotAllowed"
    assert await hash_of(database, customer) is None
