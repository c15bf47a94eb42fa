"""The small pages behind links in emails."""

import re

import pytest

from domain import happenings
from infra.postgres import Unavailable
from schema.events.kinds import KINDS
from web.pages import TOLD


@pytest.fixture
async def link(work, mailbox, ticket, customer):
    """The path in the mail that confirms the ticket."""
    await work.run()
    (letter,) = mailbox.to(customer.email)
    text = letter.get_body(("plain",)).get_content()
    return re.search(r"http://desk\.test(/t/\S+)", text)[1]


async def test_a_customer_reads_their_ticket_without_signing_in(http, link, ticket):
    page = await http.get(link)

    assert page.status_code == 200
    assert f"#{ticket.number}" in page.text
    assert "Printer on fire" in page.text
    assert "It <strong>burns</strong>." in page.text
    assert "Submitted by Carla Customer" in page.text
    assert "Went to Technical Support" in page.text


async def test_nothing_internal_stands_on_the_page(http, link, database, ticket):
    await database.rows("UPDATE tickets SET tags = '{secret-tag}' WHERE id = CAST(:id AS uuid)", id=ticket.id)

    page = await http.get(link)

    assert "MessageSent" not in page.text
    assert "secret-tag" not in page.text


async def test_what_people_wrote_is_text(http, work, mailbox, submit, customer, problem):
    mailbox.letters.clear()
    await submit(customer, problem, subject="<script>alert(1)</script>", body="<img src=x onerror=alert(1)>")
    await work.run()
    text = mailbox.to(customer.email)[-1].get_body(("plain",)).get_content()

    page = await http.get(re.search(r"http://desk\.test(/t/\S+)", text)[1])

    assert "<script>" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


async def test_the_page_tells_nobody_where_it_is_and_loads_nothing(http, link):
    headers = (await http.get(link)).headers

    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_link_that_was_not_made_here_shows_nothing(http, link):
    for wrong in ("/t/x", link[:-4] + "AAAA", "/t/" + link.split("/")[-1].replace(".", "", 1)):
        page = await http.get(wrong)
        assert page.status_code == 404
        assert "Printer" not in page.text


async def test_a_link_shows_nothing_once_the_ticket_is_somebody_elses(http, link, database, stranger, ticket):
    await database.rows(
        "UPDATE tickets SET requester_id = :who WHERE id = CAST(:id AS uuid)", who=stranger.id, id=ticket.id
    )

    page = await http.get(link)

    assert page.status_code == 404
    assert "Printer" not in page.text


ADD = """mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"""
ADD_INTERNAL = """mutation ($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"""


async def test_comments_stand_on_the_page_but_for_internal_ones(api, http, link, ticket, agent):
    await api(agent, ADD, input={"ticketId": ticket.gid, "body": "Try **turning** it off.", "thenStatus": "PENDING"})
    await api(agent, ADD_INTERNAL, input={"ticketId": ticket.gid, "body": "CANARY"})

    page = await http.get(link)

    assert "Try <strong>turning</strong> it off." in page.text
    assert "Ada Agent wrote" in page.text
    assert "Waiting for you" in page.text
    assert "CANARY" not in page.text


async def test_whoever_has_the_link_answers_once(http, link, database, ticket, customer):
    page = await http.get(link)
    key = re.search(r'name="key" value="([^"]+)"', page.text)[1]

    for _ in range(2):
        sent = await http.post(link, data={"body": "It is still *on*.", "key": key})
        assert sent.status_code == 303
        assert sent.headers["location"] == link

    rows = await database.rows("SELECT body, author_id, internal FROM comments")
    assert rows == [{"body": "It is still *on*.", "author_id": customer.id, "internal": False}]
    assert "It is still <em>on</em>." in (await http.get(link)).text


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [("", 422, "be empty"), ("x" * 20_001, 422, "20,001 characters"), ("x" * 300_000, 413, "too long")],
)
async def test_an_answer_that_can_not_be_taken_changes_nothing(http, link, database, body, status, said):
    before = await database.counts()

    page = await http.post(link, data={"body": body})

    assert page.status_code == status
    assert said in page.text
    assert await database.counts() == before


async def test_a_form_with_too_many_fields_is_as_an_empty_one(http, link, database):
    before = await database.counts()

    page = await http.post(
        link, content="body=Hello&" * 20, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert page.status_code == 422
    assert await database.counts() == before


async def test_a_closed_ticket_takes_no_answer(http, link, database):
    await database.rows("UPDATE tickets SET status = 'CLOSED'")
    before = await database.counts()

    assert "<form" not in (await http.get(link)).text
    assert "Submit a new one" in (await http.post(link, data={"body": "But"})).text
    assert await database.counts() == before


async def test_a_link_that_was_not_made_here_takes_no_answer(http, link, database):
    before = await database.counts()

    assert (await http.post(f"{link}x", data={"body": "Hello"})).status_code == 404
    assert await database.counts() == before


async def test_without_a_database_the_pages_say_so(http, link, desk, monkeypatch):
    """And what nobody expects is no missing page."""

    def away(*_):
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(type(desk.reads), "fetch", away)
        patched.setattr(type(desk.writes), "begin", away)
        for page in (await http.get(link), await http.post("/sign-in/x")):
            assert page.status_code == 503
            assert "Try again" in page.text
    with monkeypatch.context() as patched:
        patched.setattr(type(desk.reads), "fetch", lambda *_: 1 / 0)
        assert (await http.get(link)).status_code == 500


def test_whatever_customers_see_happen_can_be_told():
    assert {kind.__name__ for kind in KINDS if not happenings.KINDS[kind.__name__].internal} == set(TOLD)
