"""The small pages behind links in emails."""

import html
import re

import pytest
from structlog.testing import capture_logs
from uploads import PNG

from domain import happenings
from domain.messages import ticket_link, unsubscribe_link
from domain.wording import Wording
from infra.postgres import Unavailable
from models import NotificationKind, Role, Watcher
from schema.events.kinds import KINDS
from web import rendering, ticket_page
from web.ticket_page import TOLD


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


async def test_a_page_speaks_the_customers_language_and_tells_time_by_their_clock(http, link, database, customer):
    await database.rows(
        "UPDATE people SET locale = 'de-AT', time_zone = 'Europe/Vienna' WHERE email = :email", email=customer.email
    )
    await database.rows("UPDATE tickets SET created_at = '2026-07-01T22:30:00Z'")

    page = await http.get(link, headers={"Accept-Language": "fr"})

    assert '<html lang="de-AT">' in page.text
    assert "Eingereicht von Carla Customer" in page.text
    assert "Wartet auf uns" in page.text
    assert "2. Juli 2026, 00:30 MESZ" in page.text
    refused = await http.post(link, data={"body": " "}, headers={"Accept-Language": "fr"})
    assert (refused.status_code, "Das ist leer oder zu lang." in refused.text) == (422, True)
    refused = await http.post(link, data={"do": "confirm", "rating": "5"})
    assert (refused.status_code, "Das ist nicht mehr möglich." in refused.text) == (422, True)


async def test_whoever_may_not_come_in_any_more_sees_nothing(http, link, database, customer):
    await database.rows("UPDATE people SET active = false WHERE email = :email", email=customer.email)

    page = await http.get(link)

    assert page.status_code == 404
    assert "There is no such ticket any more." in page.text
    assert "Printer" not in page.text


async def test_a_link_is_good_while_its_person_has_the_address_that_it_went_to(http, link, database, api, customer):
    """Whoever reads the mailbox of before reads and writes nothing any more."""
    email = customer.email
    sign_in = """mutation ($token: String!) { signInWithLink(input: {token: $token}) { __typename } }"""
    await database.rows("UPDATE people SET email = 'carla@new.example' WHERE email = :email", email=email)
    before = await database.counts()

    pages = [await http.get(link), await http.post(link, data={"body": "It's me."})]
    answer = await api(None, sign_in, token=link.removeprefix("/t/"))

    assert [(page.status_code, "This link is not right" in page.text) for page in pages] == [(404, True)] * 2
    assert answer["signInWithLink"]["__typename"] == "WrongCredentials"
    assert {**await database.counts(), "attempts": 0, "audit_entries": 0} == {
        **before, "attempts": 0, "audit_entries": 0
    }  # fmt: skip
    await database.rows("UPDATE people SET email = :email WHERE email = 'carla@new.example'", email=email)
    assert (await http.get(link)).status_code == 200


@pytest.mark.parametrize(
    ("asked", "language", "said"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es-MX", "Este enlace no es correcto"),
        ("pt-BR, FR;q=0.5", "fr", "Ce lien n"),
        ("*", "en", "This link is not right"),
        ("x" * 5000 + ",," + "de-" * 2000, "de", "Dieser Link stimmt nicht"),
        ("de-FR, fr;q=0.5", "de", "Dieser Link stimmt nicht"),
        ("x" * 5000 + ",,", "en", "This link is not right"),
    ],
)
async def test_who_is_not_known_is_spoken_to_as_their_browser_asks(http, asked, language, said):
    for path in ("/t/forged", "/unsubscribe/forged"):
        page = await http.get(path, headers={"Accept-Language": asked})
        assert page.status_code == 404
        assert f'<html lang="{language}">' in page.text
        assert said in page.text


async def test_of_what_a_browser_asks_for_little_is_looked_at(http, monkeypatch):
    asked = []
    monkeypatch.setattr(rendering, "Wording", lambda tag: asked.append(tag) or Wording(tag))

    await http.get("/t/forged", headers={"Accept-Language": "de-" + "x" * 5000})

    assert [len(tag) for tag in asked] == [rendering.LONGEST_TAG]


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
    assert headers["x-robots-tag"] == "noindex"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_link_that_was_not_made_here_shows_nothing(http, link):
    for wrong in ("/t/x", link[:-4] + "AAAA", "/t/" + link.split("/")[-1].replace(".", "", 1)):
        page = await http.get(wrong)
        assert page.status_code == 404
        assert "Take the one of our newest email about the ticket." in page.text
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
        assert sent.headers["location"] == "?done=comment#done"

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


async def test_who_has_sent_something_sees_at_once_what_came_of_it(http, link):
    """However much stands above the forms: the page opens where that is said."""
    shown = (await http.get(link)).text
    assert shown.count("<form ") == shown.count('<form method="post" action="#answer">') == 2

    refused = (await http.post(link, data={"body": " "})).text
    assert re.search(r'<div id="answer">\s*<p id="problem" role="alert"', refused)

    sent = await http.post(link, data={"body": "Hello"})
    assert 'id="done"' in (await http.send(sent.next_request)).text


async def test_what_was_refused_is_not_said_to_be_done(http, link):
    """The address still tells of what was sent before."""
    done, refused = await http.get(f"{link}?done=comment"), await http.post(f"{link}?done=comment", data={"body": " "})
    assert ("Your answer is there." in done.text, "Your answer is there." in refused.text) == (True, False)


@pytest.mark.parametrize(("deed", "field"), [("comment", "body"), ("reopen", "reason"), ("confirm", "feedback")])
async def test_a_field_names_what_is_wrong_with_it(http, link, resolve, deed, field):
    if deed != "comment":
        await resolve()
    refused = (await http.post(link, data={"do": deed, field: "x" * 20_001})).text

    assert re.search(rf'<textarea [^>]*id="{field}" [^>]*aria-invalid="true" aria-describedby="problem"', refused)
    assert refused.count("aria-invalid") == 1
    assert "aria-invalid" not in (await http.get(link)).text


@pytest.fixture
async def with_files(http, api, submit, work, mailbox, customer, stranger, problem, uploaded):
    """The path of the page of a ticket with a file, with another in a comment; and the id of somebody else's."""
    comment = """mutation ($input: AddCommentInput!) { addComment(input: $input) {
      ... on AddCommentSuccess { ticket { attachments(first: 9) { nodes { id } } } } } }"""
    theirs = await submit(stranger, problem, uploadIds=[await uploaded(stranger)])
    given = {"ticketId": theirs["id"], "body": "?", "uploadIds": [await uploaded(stranger)]}
    foreign = (await api(stranger, comment, input=given))["addComment"]["ticket"]["attachments"]["nodes"][0]["id"]
    ticket = await submit(customer, problem, uploadIds=[await uploaded(customer)])
    given = {"ticketId": ticket["id"], "body": "And:", "uploadIds": [await uploaded(customer, filename="b.png")]}
    await api(customer, comment, input=given)
    await work.run()
    text = mailbox.to(customer.email)[0].get_body(("plain",)).get_content()
    return re.search(r"http://desk\.test(/t/\S+)", text)[1], foreign


async def test_files_are_fetched_however_long_the_page_is_open(http, with_files, database):
    link, _ = with_files
    page = (await http.get(link)).text
    files = re.findall(r'<a href="(\?file=att_[^"]+)"><bdi>([^<]+)</bdi></a> ?<span class="soft">([^<]+)<', page)
    assert [(name, size) for _, name, size in files] == [("cat.png", "1 kB"), ("b.png", "1 kB")]

    for file, _, _ in files:
        led = await http.get(link + file)
        assert (led.status_code, led.headers["referrer-policy"]) == (303, "no-referrer")
        sent = await http.send(led.next_request)
        assert (sent.status_code, sent.headers["content-type"], len(sent.content)) == (200, "image/png", len(PNG))


async def test_a_link_leads_to_files_of_its_ticket_alone(http, api, with_files, database, agent, uploaded):
    """And of these to none that staff keep to themselves."""
    link, foreign = with_files
    note = """mutation ($input: AddInternalCommentInput!) { addInternalComment(input: $input) {
      ... on AddInternalCommentSuccess { comment { attachments { id } } } } }"""
    (row,) = await database.rows("SELECT id FROM tickets ORDER BY number DESC LIMIT 1")
    given = {"ticketId": f"tkt_{row['id']}", "body": "?", "uploadIds": [await uploaded(agent)]}
    internal = (await api(agent, note, input=given))["addInternalComment"]["comment"]["attachments"][0]["id"]
    own = re.search(r"\?file=(att_[^\"]+)", (await http.get(link)).text)[1]
    for wrong in (foreign, internal, "att_00000000-0000-7000-8000-000000000000", "x", link.split("/")[-1]):
        page = await http.get(f"{link}?file={wrong}", headers={"Accept-Language": "de"})
        assert (page.status_code, "Diese Datei gibt es nicht mehr." in page.text) == (404, True)
    assert (await http.get(f"{link}x?file={own}")).status_code == 404
    await database.rows("UPDATE people SET active = false WHERE name = 'Carla Customer'")
    assert (await http.get(f"{link}?file={own}")).status_code == 404


@pytest.mark.parametrize(("wrong", "status"), [(Unavailable, 503), (ZeroDivisionError, 500)])
async def test_a_file_that_can_t_be_fetched_now_is_not_said_to_be_gone(
    http, with_files, desk, monkeypatch, wrong, status
):
    link, _ = with_files
    file = re.search(r"\?file=att_[^\"]+", (await http.get(link)).text)[0]
    reader = await ticket_page.links.reader_of(desk, link.removeprefix("/t/"))

    async def known(*_):
        return reader

    def away(*_):
        raise wrong

    monkeypatch.setattr(ticket_page.links, "reader_of", known)
    monkeypatch.setattr(type(desk.reads), "fetch", away)
    page = await http.get(link + file)
    assert page.status_code == status
    assert "This file can't be fetched now. Try again." in html.unescape(page.text)


async def test_the_page_says_that_there_is_more(http, link, desk, database, agent):
    sql = """INSERT INTO comments (id, ticket_id, author_id, body, body_html, internal, channel, created_at)
      SELECT uuidv7(), tickets.id, :agent, 'x', 'x', false, 'PORTAL', now() FROM tickets, generate_series(1, :count)"""
    await database.rows(sql, agent=agent.id, count=100)
    assert "Older comments are not shown here." not in (await http.get(link)).text
    await database.rows(sql, agent=agent.id, count=1)
    assert (await http.get(link)).text.count('<h3 class="soft"><bdi>Ada Agent</bdi>') == 100  # each can be gone to
    assert "Older comments are not shown here." in (await http.get(link)).text


async def test_each_text_has_its_own_direction(http, link, database):
    """Hebrew from right to left, with its full stop on the left, on a page in English."""
    await database.rows("UPDATE tickets SET subject = 'היצוא נעצר ב-90%', body_html = '<p>שלום.</p>'")
    page = (await http.get(link)).text
    assert '<h1 dir="auto">היצוא' in page
    assert '<div class="words" dir="auto"><p>שלום.' in page
    assert '<textarea dir="auto" ' in page


async def test_a_form_with_too_many_fields_is_as_an_empty_one(http, link, database):
    before = await database.counts()

    page = await http.post(
        link, content="body=Hello&" * 20, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert page.status_code == 422
    assert await database.counts() == before


async def test_what_no_text_can_hold_is_left_out_of_a_form(http, link, database):
    for _ in range(2):
        sent = await http.post(link, data={"body": "Hel\0lo", "key": "on\0ce", "do": "com\0ment"})
        assert sent.status_code == 303

    assert await database.rows("SELECT body FROM comments") == [{"body": "Hello"}]
    assert await database.rows("SELECT key FROM idempotency_keys") == [{"key": "once"}]


async def test_a_closed_ticket_takes_no_answer(http, link, database):
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    before = await database.counts()

    assert "<form" not in (await http.get(link)).text
    refused = await http.post(link, data={"body": "But <i>\n\nwhy?"})
    assert refused.status_code == 422
    assert "It is closed and takes no answers any more: what you wrote was not added to it." in refused.text
    assert '<div class="words typed" dir="auto">But &lt;i&gt;\n\nwhy?</div>' in refused.text  # to be sent elsewhere
    assert await database.counts() == before


async def test_what_was_typed_is_not_lost_to_what_happened_meanwhile(http, resolved, api, agent, ticket, database):
    reopen = """mutation ($input: ReopenTicketInput!) { reopenTicket(input: $input) { __typename } }"""
    kept = await http.post(resolved, data={"do": "reopen", "reason": "No. " + "x" * 2_000})
    assert "typed" not in kept.text.split("</style>")[1]  # it stands where it was typed
    await api(agent, reopen, input={"ticketId": ticket.gid, "reason": "Wrong one."})

    for deed, field in (("confirm", "feedback"), ("reopen", "reason")):
        refused = await http.post(resolved, data={"do": deed, field: "I typed this."})
        assert refused.status_code == 422
        assert '<div class="words typed" dir="auto">I typed this.</div>' in refused.text


async def test_who_withdraws_twice_is_told_no_fault(http, link, database):
    """As whoever presses twice does."""
    await database.rows("UPDATE people SET locale = 'de' WHERE role = 'CUSTOMER'")
    first, second = [await http.post(f"{link}?done=comment", data={"do": "withdraw"}) for _ in range(2)]

    assert (first.status_code, second.status_code) == (303, 200)
    assert "Dieses Ticket ist geschlossen." in second.text
    assert ("alert" in second.text, 'id="done"' in second.text) == (False, False)
    assert "Es ist geschlossen und nimmt keine Antworten mehr an" in (await http.post(link, data={"body": "Doch"})).text


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
        with capture_logs() as logs:
            page = await http.get(link, headers={"Accept": "text/html", "Accept-Language": "de"})
        assert page.status_code == 500
        (entry,) = (entry for entry in logs if entry["event"] == "unexpected_error")
        assert (
            f"Bei uns ist etwas schiefgegangen. Versuchen Sie es später noch einmal; unter {entry['error_id']}"
            in page.text
        )


RESOLVE = """mutation ($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"""


@pytest.fixture
def resolve(api, agent, ticket):
    return lambda: api(agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "**Unplug** it."})


@pytest.fixture
async def resolved(resolve, link):
    await resolve()
    return link


def key_in(page):
    return re.search(r'name="key" value="([^"]+)"', page.text)[1]


async def test_whoever_reads_how_it_was_solved_changes_nothing(http, resolved, database):
    before = await database.counts()

    page = await http.get(f"{resolved}?do=confirm&rating=5")

    assert "<strong>Unplug</strong> it." in page.text
    assert "Is it solved?" in page.text
    assert "Solved by Ada Agent" in page.text
    assert 'name="body"' not in page.text
    assert await database.counts() == before
    assert await database.rows("SELECT status FROM tickets") == [{"status": "RESOLVED"}]


async def test_pages_are_read_without_a_transaction(http, resolved, desk, customer, monkeypatch):
    goodbye = unsubscribe_link("", desk.signer, customer.id, NotificationKind.TICKET_RESOLVED)
    monkeypatch.setattr(type(desk.writes), "begin", lambda *_: 1 / 0)

    assert "<strong>Unplug</strong> it." in (await http.get(resolved)).text
    assert "No more emails" in (await http.get(goodbye)).text
    assert (await http.get("/t/forged")).status_code == 404


async def test_a_rating_that_a_link_has_chosen_is_filled_in_and_not_sent(
    http, resolved, database, work, mailbox, customer
):
    await work.run()
    letter = mailbox.to(customer.email)[-1].get_body(("html",)).get_content()
    links = re.findall(r'href="http://desk\.test(/t/[^"]+)"[^>]*>(\d)</a>', letter)
    assert [(link[-16:], label) for link, label in links] == [(f"?rating={n}#answer", str(n)) for n in range(1, 6)]
    before = await database.counts()

    page = await http.get(links[3][0])

    assert re.findall(r'value="(\d)" checked', page.text) == ["4"]
    assert "checked" not in (await http.get(f"{resolved}?rating=6")).text
    assert await database.counts() == before
    assert await database.rows("SELECT rating, state FROM resolutions") == [{"rating": None, "state": "AWAITING"}]


async def test_the_customer_confirms_and_may_rate_anew(http, resolved, database):
    key = key_in(await http.get(resolved))
    for _ in range(2):
        sent = await http.post(resolved, data={"do": "confirm", "rating": "4", "feedback": "Fine & good", "key": key})
        assert (sent.status_code, sent.headers["location"]) == (303, "?done=confirm#done")

    page = await http.get(f"{resolved}?done=confirm")
    assert "You have confirmed that this is solved." in page.text
    assert "Fine &amp; good" in page.text
    assert 'value="4" checked' in page.text
    assert await database.rows("SELECT rating, state FROM resolutions") == [{"rating": 4, "state": "CONFIRMED"}]
    await http.post(resolved, data={"do": "confirm", "rating": "1", "key": key_in(page)})
    assert await database.rows("SELECT rating FROM resolutions") == [{"rating": 1}]
    told = re.findall(r"<li><span>(.*?)</span>", (await http.get(resolved)).text)
    assert told[-3:] == ["Carla Customer confirmed that it is solved", "Closed", "Carla Customer rated the help"]
    await database.rows("UPDATE tickets SET closed_at = now() - interval '31 days'")
    assert "<form" not in (await http.get(resolved)).text
    late = await http.post(resolved, data={"do": "confirm", "rating": "2"})
    assert late.status_code == 422
    assert "30 days ago" in late.text


async def test_an_escalation_that_went_higher_has_not_ended(api, http, link, ticket, agent, house, support):
    _, manager = [await house.person(role.name, role, support) for role in (Role.TEAM_LEAD, Role.MANAGER)]
    escalate = """mutation ($input: EscalateTicketInput!) {
      escalateTicket(input: $input) { ... on EscalateTicketSuccess { escalation { id } } } }"""
    end = """mutation ($input: EndEscalationInput!) { endEscalation(input: $input) { __typename } }"""
    for level in ("TEAM_LEAD", "MANAGER"):
        asked = {"ticketId": ticket.gid, "level": level, "reason": "It burns."}
        made = (await api(agent, escalate, input=asked))["escalateTicket"]["escalation"]

    def told(page):
        return [each for each in re.findall(r"<li><span>(.*?)</span>", page.text) if "scalated" in each]

    assert told(await http.get(link)) == ["Escalated", "Escalated"]
    await api(manager, end, input={"escalationId": made["id"]})
    assert told(await http.get(link)) == ["Escalated", "Escalated", "No longer escalated"]


MERGE = """mutation ($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"""
REOPEN = """mutation ($input: ReopenTicketInput!) { reopenTicket(input: $input) { __typename } }"""
CLOSE = """mutation ($input: CloseTicketInput!) { closeTicket(input: $input) { __typename } }"""


async def test_no_rating_is_asked_for_that_could_not_be_given(
    api, http, submit, resolved, agent, customer, problem, ticket
):
    async def asks():
        page = await http.get(resolved)
        assert "This ticket is closed." in page.text
        return 'value="confirm"' in page.text

    await http.post(resolved, data={"do": "confirm", "rating": "4"})
    assert await asks()
    await api(agent, REOPEN, input={"ticketId": ticket.gid, "reason": "Wrong one."})
    await api(agent, CLOSE, input={"ticketId": ticket.gid})
    assert not await asks()  # it was closed without a solution
    await api(agent, REOPEN, input={"ticketId": ticket.gid, "reason": "Wrong one."})
    into = await submit(customer, problem)
    await api(agent, MERGE, input={"intoTicketId": into["id"], "ticketIds": [ticket.gid]})
    assert not await asks()


async def test_a_rating_is_not_needed_to_confirm(http, resolved, database):
    assert (await http.post(resolved, data={"do": "confirm", "feedback": ""})).status_code == 303
    assert await database.rows("SELECT status, rating FROM tickets") == [{"status": "CLOSED", "rating": None}]


async def test_the_customer_says_that_it_is_not_solved(http, resolved, database):
    nothing = await http.post(resolved, data={"do": "reopen"})
    assert nothing.status_code == 422
    assert "be empty" in nothing.text

    sent = await http.post(resolved, data={"do": "reopen", "reason": "It still burns."})

    assert sent.headers["location"] == "?done=reopen#done"
    page = await http.send(sent.next_request)
    assert "open again" in page.text
    assert "It still burns." in page.text
    assert "Opened again" in page.text
    assert await database.rows("SELECT status FROM tickets") == [{"status": "OPEN"}]


async def test_the_customer_withdraws_what_is_open_alone(http, link, resolved, database, api, agent, ticket):
    assert (await http.post(link, data={"do": "withdraw"})).status_code == 422
    await api(agent, REOPEN, input={"ticketId": ticket.gid, "reason": "Wrong one."})
    assert "Withdraw this ticket" in (await http.get(link)).text

    sent = await http.post(link, data={"do": "withdraw"})

    assert "You have withdrawn this ticket" in (await http.send(sent.next_request)).text
    assert await database.rows("SELECT status FROM tickets") == [{"status": "CLOSED"}]


async def test_the_address_that_emails_to_staff_name_leads_somewhere(http):
    page = await http.get("/")

    assert (page.status_code, page.headers["location"]) == (307, "graphql")
    assert page.next_request.url.path == "/graphql"
    assert (await http.get("/nowhere")).status_code == 404
    assert (await http.post("/")).status_code == 405


@pytest.mark.parametrize("path", ["/nowhere", "/t/", "/t/x/", "/sign-in", "/files/x/y"])
async def test_who_comes_by_a_broken_link_is_told_so(http, path):
    asked = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "de"}
    page, program = await http.get(path, headers=asked), await http.get(path)

    assert (page.status_code, program.status_code, program.text) == (404, 404, "Not Found")
    assert "Dieser Link stimmt nicht oder ist zu alt." in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_a_socket_elsewhere_is_closed(application):
    sent = []

    async def send(message):
        sent.append(message["type"])

    await application({"type": "websocket", "path": "/nowhere", "headers": []}, None, send)

    assert sent == ["websocket.close"]


async def test_a_watcher_has_no_such_page(http, resolved, database, desk, house, ticket):
    person = await house.person("Wanda Watcher")
    async with desk.writes.begin() as unit:
        unit.insert(Watcher, ticket_id=ticket.uuid, person_id=person.id)
    path = ticket_link("", desk.signer, ticket.uuid, person.id, person.email)
    before = await database.counts()

    assert (await http.get(path)).status_code == 404
    assert (await http.post(path, data={"do": "confirm", "rating": "5"})).status_code == 404
    assert await database.counts() == before


async def test_who_works_here_has_the_page_of_what_they_asked_for_themselves(
    http, api, submit, work, mailbox, database, agent, director, problem
):
    """As customers have it: they see nothing internal there, and don't answer themselves."""
    mine = await submit(agent, problem, subject="My screen stays dark")
    await work.run()
    path = re.search(r"http://desk\.test(/t/\S+)", mailbox.to(agent.email)[0].get_body(("plain",)).get_content())[1]
    await api(director, ADD_INTERNAL, input={"ticketId": mine["id"], "body": "CANARY"})
    await api(director, ADD, input={"ticketId": mine["id"], "body": "Is it on?", "thenStatus": "PENDING"})

    page = await http.get(path)
    answered = await http.post(path, data={"body": "It is."})

    assert (page.status_code, "Is it on?" in page.text, "CANARY" in page.text) == (200, True, False)
    assert answered.status_code == 303
    (found,) = await database.rows("SELECT status, waiting_since IS NOT NULL AS waits FROM tickets")
    assert found == {"status": "OPEN", "waits": True}


async def test_the_page_stays_whatever_its_reader_becomes(http, api, link, admin, customer, support):
    become = "mutation ($i: UpdatePersonInput!) { updatePerson(input: $i) { __typename } }"
    for given in ({"role": "AGENT", "departmentIds": [support.gid]}, {"role": "CUSTOMER", "departmentIds": []}):
        answer = await api(admin, become, i={"personId": customer.gid} | given)
        assert answer["updatePerson"]["__typename"] == "UpdatePersonSuccess"

        assert (await http.get(link)).status_code == 200


def test_whatever_customers_see_happen_can_be_told():
    assert {kind.__name__ for kind in KINDS if not happenings.KINDS[kind.__name__].internal} == set(TOLD)
