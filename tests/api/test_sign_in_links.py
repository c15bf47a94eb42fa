"""Emailed links that sign somebody in: asked for without telling who is known, good once, and not for long."""

import asyncio
import contextlib
import datetime as dt
import itertools
import re

import pytest

from domain import attempts, links, messages, sessions
from domain.jobs import SendSignInLink
from domain.refusals import RateLimited
from infra import unit

REQUEST = """mutation($email: String!) { requestSignInLink(input: {email: $email}) { __typename
  ... on RequestSignInLinkSuccess { email } ... on InvalidInput { field message }
  ... on RateLimited { message retryAfterSeconds } } }"""
SIGN_IN = """mutation($token: String!, $useCookie: Boolean! = false) {
  signInWithLink(input: {token: $token, useCookie: $useCookie}) { __typename
    ... on SignInWithLinkSuccess { session { accessToken refreshToken viewer { person { name } } } }
    ... on Refusal { message } } }"""
WRONG = {
    "__typename": "WrongCredentials",
    "message": "This is not right, or not any more. Try again, or ask for a link by email.",
}


@pytest.fixture
def request_link(api):
    """Asks for a link, and gives the response."""

    async def asked(email):
        return await api.post(None, REQUEST, email=email)

    return asked


@pytest.fixture
def sign_in(api):
    """Signs in by a link's token."""

    async def tried(token, **given):
        return (await api(None, SIGN_IN, token=token, **given))["signInWithLink"]

    return tried


def link_in(letter):
    """The path of the link in an email."""
    return re.search(r"http://desk\.test(/sign-in/\S+)", letter.get_body(("plain",)).get_content())[1]


@pytest.fixture
async def link(request_link, work, mailbox, customer):
    """The path of a link that the customer was sent."""
    await request_link(customer.email)
    await work.run()
    (letter,) = mailbox.to(customer.email)
    return link_in(letter)


@pytest.fixture
def token(link):
    return link.rpartition("/")[2]


async def test_a_link_leads_to_the_front_end_that_takes_it(
    desk, request_link, sign_in, work, mailbox, customer, monkeypatch
):
    changed = desk.settings.model_copy(update={"sign_in_url": "https://app.example.com/sign-in#{token}"})
    monkeypatch.setattr(type(desk), "settings", property(lambda _: changed))

    await request_link(customer.email)
    await work.run()

    words = mailbox.to(customer.email)[0].get_body(("plain",)).get_content()
    token = re.search(r"https://app\.example\.com/sign-in#(\S+)", words)[1]
    assert "desk.test" not in words
    assert (await sign_in(token))["session"]["viewer"] == {"person": {"name": customer.name}}


async def test_a_link_is_asked_for_and_arrives(request_link, work, mailbox, customer):
    answer = (await request_link(" Carla.Customer@EXAMPLE.com")).json()["data"]["requestSignInLink"]

    assert answer == {"__typename": "RequestSignInLinkSuccess", "email": customer.email}
    assert await work.asked() == [SendSignInLink(customer.email)]
    await work.run()
    (letter,) = mailbox.letters
    assert letter.bcc == [customer.email]
    assert letter["Subject"] == "Your link to sign in"
    assert "once, within 15 minutes" in letter.get_body(("plain",)).get_content()
    assert f'href="http://desk.test{link_in(letter)}"' in letter.get_body(("html",)).get_content()


async def test_nothing_tells_whether_an_address_is_known(request_link, database, work, mailbox, customer):
    empty = await database.counts()
    known = await request_link(customer.email)
    after_known = await database.counts()
    unknown = await request_link("clara.customer@example.com")
    after_unknown = await database.counts()

    assert (known.status_code, list(known.headers)) == (unknown.status_code, list(unknown.headers))
    assert [response.json()["data"]["requestSignInLink"]["__typename"] for response in (known, unknown)] == [
        "RequestSignInLinkSuccess"
    ] * 2
    added = [
        {table: after[table] - before[table] for table in empty if after[table] != before[table]}
        for before, after in ((empty, after_known), (after_known, after_unknown))
    ]
    assert added == [{"jobs": 1, "audit_entries": 1}] * 2
    await work.run()
    assert [letter.bcc for letter in mailbox.letters] == [[customer.email]]


async def test_somebody_who_was_shut_out_gets_no_link(request_link, database, work, mailbox, customer):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=customer.id)

    await request_link(customer.email)
    await work.run()

    assert mailbox.letters == []
    assert await database.rows("SELECT id FROM sign_in_links") == []


@pytest.mark.parametrize("given", [{"active": False}, {"email": "carla@elsewhere.example"}])
async def test_a_link_that_is_followed_while_it_is_ended_signs_nobody_in(
    api, sign_in, halted, database, admin, customer, token, given
):
    """Neither waits for what the other one holds: the person comes first, then their links."""
    change = "mutation($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"
    before = await database.rows("SELECT id FROM sessions")
    changes = await halted(api(admin, change, input={"personId": customer.gid} | given), "FOR NO KEY UPDATE")
    followed = asyncio.create_task(sign_in(token))
    await asyncio.sleep(0.2)

    assert (await changes())["updatePerson"]["__typename"] == "UpdatePersonSuccess"
    assert await followed == WRONG
    assert await database.rows("SELECT id FROM sessions") == before


async def test_what_is_no_address_is_said_and_nothing_comes_of_it(request_link, database):
    before = await database.counts()

    answer = (await request_link("nobody@")).json()["data"]["requestSignInLink"]

    assert answer == {"__typename": "InvalidInput", "field": "email", "message": "This is not an email address."}
    assert await database.counts() == before


async def test_one_address_is_sent_three_links_in_ten_minutes_at_most(request_link, database, customer):
    for _ in range(3):
        assert (
            (await request_link(customer.email)).json()["data"]["requestSignInLink"]["__typename"].endswith("Success")
        )
    before = await database.counts()

    answer = (await request_link(customer.email)).json()["data"]["requestSignInLink"]

    assert answer["__typename"] == "RateLimited"
    assert answer["retryAfterSeconds"] > 0
    assert await database.counts() == before


@pytest.mark.parametrize("into_the_window", [0, 0.5, 0.99])
async def test_who_asks_for_links_to_somebody_elses_address_does_not_lock_them_out(
    desk, database, monkeypatch, into_the_window
):
    """Until they may ask for another, one of those works that others have asked for."""
    limit = attempts.LINK_BY_EMAIL
    moment = attempts.EPOCH + dt.timedelta(days=2_500, seconds=into_the_window * limit.seconds)
    monkeypatch.setattr(unit, "now", lambda: moment)
    for _ in range(limit.most):
        await attempts.take(desk.writes, limit, "carla@example.com")

    with pytest.raises(RateLimited) as refused:
        await attempts.take(desk.writes, limit, "carla@example.com")

    assert refused.value.retry_after_seconds < links.LINK_SECONDS


async def test_who_asks_again_and_again_does_not_lock_them_out_either(desk, database, monkeypatch):
    """What is refused does not count, so that links go on to be sent, and one of them works at any time."""
    moment = attempts.EPOCH + dt.timedelta(days=2_500)
    monkeypatch.setattr(unit, "now", lambda: moment)
    sent = []
    for _ in range(6 * 60):
        with contextlib.suppress(RateLimited):
            await attempts.take(desk.writes, attempts.LINK_BY_EMAIL, "carla@example.com")
            sent.append(moment)
        moment += dt.timedelta(minutes=1)

    waits = [later - before for before, later in itertools.pairwise([*sent, moment])]
    assert max(waits).total_seconds() < links.LINK_SECONDS
    assert len(sent) < 6 * 6 * attempts.LINK_BY_EMAIL.most


async def test_a_link_signs_in_once(api, sign_in, database, token, customer):
    first = await sign_in(token)
    before = await database.counts()
    second = await sign_in(token)

    assert first["session"]["viewer"] == {"person": {"name": "Carla Customer"}}
    customer.token = first["session"]["accessToken"]
    assert (await api(customer, "{ viewer { person { name } } }"))["viewer"] == {"person": {"name": "Carla Customer"}}
    assert second == WRONG
    assert await database.counts() == before


async def test_a_link_signs_in_once_even_when_it_comes_many_times_at_once(sign_in, database, token, customer):
    before = await database.counts()

    answers = await asyncio.gather(*[sign_in(token) for _ in range(5)])

    assert sorted(answer["__typename"] for answer in answers) == ["SignInWithLinkSuccess", *["WrongCredentials"] * 4]
    assert (await database.counts())["sessions"] == before["sessions"] + 1


async def test_a_link_may_set_the_cookie(api, token):
    response = await api.post(None, SIGN_IN, token=token, useCookie=True)
    api.http.cookies.clear()

    assert response.json()["data"]["signInWithLink"]["session"]["refreshToken"] is None
    assert response.headers["set-cookie"].startswith("deskwire_refresh=")
    assert "HttpOnly; SameSite=Strict" in response.headers["set-cookie"]


async def test_looking_at_the_page_of_a_link_changes_nothing(http, sign_in, database, link, token):
    before = await database.counts()

    pages = [await http.get(link), await http.head(link), await http.get(link)]

    assert [page.status_code for page in pages] == [200] * 3
    assert '<form method="post">' in pages[0].text
    assert not any("set-cookie" in page.headers for page in pages)
    assert await database.counts() == before
    assert (await sign_in(token))["__typename"] == "SignInWithLinkSuccess"


async def test_the_button_on_the_page_signs_this_browser_in_once(http, database, link):
    first = await http.post(link)
    http.cookies.clear()
    before = await database.counts()
    second = await http.post(link)

    assert (first.status_code, second.status_code) == (200, 410)
    assert "You are signed in" in first.text
    cookie, *attributes = first.headers["set-cookie"].split("; ")
    assert cookie.startswith("deskwire_refresh=")
    assert {"httponly", "path=/graphql", "samesite=strict"} <= {attribute.lower() for attribute in attributes}
    assert "set-cookie" not in second.headers
    assert await database.counts() == before


async def test_a_session_of_the_page_goes_on_by_its_cookie(http, api, link):
    await http.post(link)
    refresh = """mutation { refreshSession(input: {}) { __typename
      ... on RefreshSessionSuccess { session { viewer { person { name } } } } } }"""

    answer = await api(None, refresh)
    http.cookies.clear()

    assert answer["refreshSession"] == {
        "__typename": "RefreshSessionSuccess",
        "session": {"viewer": {"person": {"name": "Carla Customer"}}},
    }


async def test_a_link_ends_after_a_quarter_of_an_hour(http, sign_in, database, link, token):
    (lasts,) = await database.rows("SELECT expires_at - created_at AS long FROM sign_in_links")
    await database.rows("UPDATE sign_in_links SET expires_at = :now", now=unit.now())
    before = await database.counts()

    assert lasts["long"] == dt.timedelta(minutes=15)
    assert await sign_in(token) == WRONG
    assert (await http.post(link)).status_code == 410
    assert await database.counts() == before


async def test_a_token_ends_by_itself_too(desk, sign_in, database, link):
    (row,) = await database.rows("SELECT id FROM sign_in_links")
    late = desk.signer.sign(messages.SIGN_IN_LINK, {"link": str(row["id"])}, -61)

    assert await sign_in(late) == WRONG
    assert await database.rows("SELECT used_at FROM sign_in_links") == [{"used_at": None}]


async def test_what_was_not_made_here_opens_nothing(desk, http, sign_in, database, token, customer):
    (row,) = await database.rows("SELECT id FROM sign_in_links")
    head, payload, signature = token.split(".")
    forged = {
        "nothing": "",
        "nonsense": "x",
        "too long": "x" * 10_000,
        "another signature": f"{head}.{payload}.{signature[::-1]}",
        "no signature": f"{head}.{payload}.",
        "for something else": desk.signer.sign("access", {"link": str(row["id"])}, 60),
        "an access token": customer.token,
        "a link that is not there": desk.signer.sign(messages.SIGN_IN_LINK, {"link": str(customer.id)}, 60),
    }
    before = await database.counts()

    assert {name: await sign_in(text) for name, text in forged.items()} == dict.fromkeys(forged, WRONG)
    assert (await http.post("/sign-in/x.y.z")).status_code == 410
    assert await database.counts() == before


async def test_a_link_of_somebody_who_was_shut_out_since_opens_nothing(sign_in, database, token, customer):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=customer.id)
    before = await database.counts()

    assert await sign_in(token) == WRONG
    assert await database.counts() == before


async def test_tokens_are_not_tried_without_end(desk, http, sign_in, database, link, token):
    for _ in range(attempts.TOKEN_BY_NETWORK.most):
        await attempts.take(desk.writes, attempts.TOKEN_BY_NETWORK, "127.0.0.1")
    before = await database.counts()

    assert (await sign_in(token))["__typename"] == "RateLimited"
    assert (await http.post(link)).status_code == 429
    assert await database.counts() == before


async def test_nobody_asks_for_links_to_many_addresses_without_end(desk, request_link, work):
    for _ in range(attempts.LINK_BY_NETWORK.most):
        await attempts.take(desk.writes, attempts.LINK_BY_NETWORK, "127.0.0.1")

    answer = (await request_link("somebody@example.com")).json()["data"]["requestSignInLink"]

    assert answer["__typename"] == "RateLimited"
    assert await work.asked() == []


async def test_what_a_link_has_opened_ends_with_the_address_that_it_went_to(api, sign_in, token, admin, customer):
    update = "mutation ($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"
    refresh = "mutation ($token: String!) { refreshSession(input: {refreshToken: $token}) { __typename } }"
    session = (await sign_in(token))["session"]

    await api(admin, update, input={"personId": customer.gid, "email": "new@example.com"})

    answer = await api(None, refresh, token=session["refreshToken"])
    assert answer["refreshSession"]["__typename"] == "WrongCredentials"


async def test_a_link_that_ended_before_it_was_mailed_is_not_mailed(database, desk, work, mailbox, customer):
    async with desk.writes.begin() as writing:
        links.send(writing, customer.id, messages.MessageKind.SIGN_IN_LINK)
    await database.rows("UPDATE sign_in_links SET expires_at = :now", now=unit.now())

    await work.run()

    assert mailbox.letters == []
    assert await database.rows("SELECT status FROM messages") == [{"status": "SKIPPED"}]


# --- Links about a ticket ---------------------------------------------------------------------------------------------


@pytest.fixture
async def ticket_token(work, mailbox, ticket, customer):
    """The token of the link in the mail that confirms the customer's ticket."""
    await work.run()
    (letter,) = mailbox.to(customer.email)
    return re.search(r"http://desk\.test/t/(\S+)", letter.get_body(("plain",)).get_content())[1]


async def test_a_link_about_a_ticket_opens_a_session_that_sees_this_ticket_alone(
    api, sign_in, submit, customer, problem, ticket_token, ticket
):
    other = await submit(customer, problem)
    seen = """query($id: ID!) { viewer { can } ticket(id: $id) { subject } tickets { nodes { id } } }"""

    first, again = await sign_in(ticket_token), await sign_in(ticket_token)

    assert first["__typename"] == again["__typename"] == "SignInWithLinkSuccess"
    customer.token = first["session"]["accessToken"]
    assert await api(customer, seen, id=ticket.gid) == {
        "viewer": {"can": []},
        "ticket": {"subject": "Printer on fire"},
        "tickets": {"nodes": [{"id": ticket.gid}]},
    }
    assert (await api(customer, seen, id=other["id"]))["ticket"] is None
    assert (await submit(customer, problem))["__typename"] == "NotAllowed"


async def test_a_session_for_one_ticket_stays_one_when_it_goes_on(api, sign_in, customer, ticket_token, ticket):
    refresh = """mutation($token: String!) { refreshSession(input: {refreshToken: $token}) {
      ... on RefreshSessionSuccess { session { accessToken } } } }"""
    opened = (await sign_in(ticket_token))["session"]

    answer = await api(None, refresh, token=opened["refreshToken"])

    customer.token = answer["refreshSession"]["session"]["accessToken"]
    assert (await api(customer, "{ viewer { can } }"))["viewer"] == {"can": []}


@pytest.mark.parametrize(
    "since",
    ["UPDATE tickets SET requester_id = :stranger WHERE number = 0", "UPDATE people SET active = id = :stranger"],
)
async def test_a_link_about_a_ticket_that_is_theirs_no_more_opens_nothing(
    sign_in, submit, database, customer, stranger, problem, ticket_token, since
):
    await database.rows("UPDATE tickets SET number = 0")
    await submit(customer, problem)  # which stays theirs, and is not what the link is about
    await database.rows(since, stranger=stranger.id)
    before = await database.counts()

    assert await sign_in(ticket_token) == WRONG
    assert await database.counts() == before


async def test_an_address_that_changes_while_a_link_is_followed_opens_nothing(
    sign_in, desk, database, monkeypatch, ticket_token
):
    """It is looked at with the person locked, and not at what a copy of the database has of before."""

    async def stale(*_):
        return [{"email": "carla.customer@example.com"}]

    await database.rows("UPDATE people SET email = 'new@example.com' WHERE email = 'carla.customer@example.com'")
    monkeypatch.setattr(type(desk), "read", stale)
    before = await database.rows("SELECT id FROM sessions")

    assert await sign_in(ticket_token) == WRONG
    assert await database.rows("SELECT id FROM sessions") == before


async def test_links_are_forgotten_a_month_after_they_ended(desk, database, request_link, work, customer):
    await request_link(customer.email)
    await work.run()
    await sessions.sweep(desk)
    assert len(await database.rows("SELECT id FROM sign_in_links")) == 1

    await database.rows("UPDATE sign_in_links SET expires_at = now() - interval '31 days'")
    await sessions.sweep(desk)
    assert await database.rows("SELECT id FROM sign_in_links") == []
    assert await database.rows("SELECT link_id FROM messages") == [{"link_id": None}]
