"""The small pages behind links in emails."""

import re

import pytest

from infra.postgres import Unavailable


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


async def test_a_link_can_only_be_read(http, link, database):
    before = await database.counts()

    assert (await http.post(link)).status_code == 405
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
