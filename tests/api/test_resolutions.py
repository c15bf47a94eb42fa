"""How tickets end: resolved, confirmed and rated, opened again, closed; and who reads the ratings."""

import asyncio
import datetime as dt
import re
from types import SimpleNamespace

import pytest

from domain.articles import publishing
from domain.jobs import RemindOfResolution
from domain.messages import ticket_link
from domain.metrics import counting
from domain.tickets import timers
from models import ArticleAudience, Role, Watcher

REFUSED = """... on InvalidInput { field } ... on NotFound { field }
  ... on Conflict { reason current { id } missedEvents { __typename } } ... on Refusal { message }"""
TICKET = """ticket { id status resumesAt closedAt waitingSince firstRespondedAt lastSeq
  resolution { summary summaryHtml resolvedAt resolvedBy { name } state confirmBy answeredAt rating feedback }
  comments { nodes { body internal author { name } } }
  events { nodes { __typename actor { name } ... on TicketResolved { summary summaryHtml }
    ... on ResolutionConfirmed { rating feedback } ... on TicketReopened { reason }
    ... on TicketClosed { expired closeReason } } } }"""
NAMES = ("resolveTicket", "confirmResolution", "reopenTicket", "closeTicket")


def mutation(name):
    kind = name[0].upper() + name[1:]
    return f"""mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename
      ... on {kind}Success {{ {TICKET} }} {REFUSED} }} }}"""


@pytest.fixture
def do(api, ticket):
    """Does one of the four to the ticket; gives the ticket afterwards, or the refusal."""

    async def done(viewer, name, **given):
        answer = (await api(viewer, mutation(name), input={"ticketId": ticket.gid} | given))[name]
        return answer.get("ticket") or answer

    return done


@pytest.fixture
def read(api, ticket):
    async def found(viewer):
        text = f"query($id: ID!) {{ {TICKET.replace('ticket {', 'ticket(id: $id) {', 1)} }}"
        return (await api(viewer, text, id=ticket.gid))["ticket"]

    return found


@pytest.fixture
async def lead(house, support):
    return await house.person("Lena Lead", Role.TEAM_LEAD, support)


@pytest.fixture
async def colleague(house, support):
    return await house.person("Cora Colleague", Role.AGENT, support)


@pytest.fixture
async def watcher(desk, house, ticket):
    person = await house.person("Wanda Watcher")
    async with desk.writes.begin() as unit:
        unit.insert(Watcher, ticket_id=ticket.uuid, person_id=person.id)
    return person


@pytest.fixture
def link_session(api, ticket, desk):
    """A session that sees this ticket alone, as by the link in its mails."""

    async def opened(person):
        token = ticket_link("", desk.signer, ticket.uuid, person.id, person.email).removeprefix("/t/")
        text = """mutation($input: SignInWithLinkInput!) { signInWithLink(input: $input) { __typename
          ... on SignInWithLinkSuccess { session { accessToken } } } }"""
        answer = (await api(None, text, input={"token": token}))["signInWithLink"]
        return SimpleNamespace(token=answer["session"]["accessToken"], id=person.id, name=person.name)

    return opened


async def past(database, **changes):
    """As if time had gone by: these columns so many seconds earlier."""
    for name, seconds in changes.items():
        table = "tickets" if name == "closed_at" else "resolutions"
        sql = f"UPDATE {table} SET {name} = {name} - make_interval(secs => :seconds)"
        await database.rows(sql, seconds=float(seconds))


def kinds(ticket, skip=2):
    found = [event["__typename"] for event in ticket["events"]["nodes"]]
    return [kind for kind in found if kind != "MessageSent"][skip:]


# --- Resolving --------------------------------------------------------------------------------------------------------


async def test_the_desk_resolves(do, read, agent, customer):
    found = await do(agent, "resolveTicket", summary="**Unplug** it.")

    assert found["status"] == "RESOLVED"
    assert found["waitingSince"] is None
    assert found["firstRespondedAt"] is not None
    resolution = found["resolution"]
    times = [dt.datetime.fromisoformat(resolution.pop(name)) for name in ("resolvedAt", "confirmBy")]
    assert times[1] - times[0] == dt.timedelta(days=7)
    assert resolution == {
        "summary": "**Unplug** it.",
        "summaryHtml": "<p><strong>Unplug</strong> it.</p>",
        "resolvedBy": {"name": "Ada Agent"},
        "state": "AWAITING",
        "answeredAt": None,
        "rating": None,
        "feedback": None,
    }
    event = (await read(customer))["events"]["nodes"][-1]
    html = "<p><strong>Unplug</strong> it.</p>"
    resolved = {"__typename": "TicketResolved", "summary": "**Unplug** it.", "summaryHtml": html}
    assert event == resolved | {"actor": {"name": "Ada Agent"}}


async def test_without_words_it_is_no_answer_and_has_no_summary(do, agent, database):
    found = await do(agent, "resolveTicket", summary="  ")

    assert found["resolution"]["summary"] is None
    assert found["resolution"]["summaryHtml"] is None
    assert found["firstRespondedAt"] is None


async def test_it_is_credited_to_who_had_it_then(do, agent, lead, database, ticket, support):
    await database.rows(
        "UPDATE tickets SET assignee_id = :who, escalation_rank = 2, status = 'ON_HOLD', resumes_at = now()",
        who=lead.id,
    )

    found = await do(agent, "resolveTicket")

    assert found["resumesAt"] is None
    (row,) = await database.rows("SELECT resolved_by_id, assignee_id, department_id, escalation_level FROM resolutions")
    assert row == {
        "resolved_by_id": agent.id,
        "assignee_id": lead.id,
        "department_id": support.id,
        "escalation_level": "MANAGER",
    }
    assert await database.rows("SELECT escalation_rank FROM tickets") == [{"escalation_rank": 0}]


async def test_it_is_resolved_once(do, agent, database):
    await do(agent, "resolveTicket", idempotencyKey="one")
    before = await database.counts()

    assert (await do(agent, "resolveTicket", idempotencyKey="one"))["status"] == "RESOLVED"
    assert (await do(agent, "resolveTicket"))["reason"] == "ALREADY_DONE"
    await database.rows("UPDATE tickets SET status = 'CLOSED'")
    assert (await do(agent, "resolveTicket"))["reason"] == "WRONG_STATE"
    assert await database.counts() == before


async def test_not_past_what_others_did(do, read, api, agent, customer, database, ticket):
    seq = (await read(agent))["lastSeq"]
    add = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await api(customer, add, input={"ticketId": ticket.gid, "body": "Wait!"})
    before = await database.counts()

    answer = await do(agent, "resolveTicket", ifSeq=seq)

    assert answer["reason"] == "CHANGED_MEANWHILE"
    assert "CommentAdded" in [event["__typename"] for event in answer["missedEvents"]]
    assert await database.counts() == before


async def test_a_colleagues_internal_comment_is_not_passed_over_either(
    do, read, api, agent, colleague, database, ticket
):
    seq = (await read(agent))["lastSeq"]
    note = "mutation($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"
    await api(colleague, note, input={"ticketId": ticket.gid, "body": "I am at it."})
    before = await database.counts()

    assert (await do(agent, "resolveTicket", ifSeq=seq))["reason"] == "CHANGED_MEANWHILE"
    assert await database.counts() == before


async def test_a_summary_has_an_end(do, agent, database):
    before = await database.counts()

    assert (await do(agent, "resolveTicket", summary="x" * 100_001))["field"] == "summary"
    assert await database.counts() == before


async def test_who_has_answered_before_did_so_first(do, read, api, agent, ticket):
    add = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await api(agent, add, input={"ticketId": ticket.gid, "body": "We are at it."})
    first = (await read(agent))["firstRespondedAt"]

    assert (await do(agent, "resolveTicket", summary="Unplug it."))["firstRespondedAt"] == first


# --- Confirming -------------------------------------------------------------------------------------------------------


async def test_the_customer_confirms_and_rates(do, read, agent, customer, database):
    await do(agent, "resolveTicket")

    found = await do(customer, "confirmResolution", rating=5, feedback=" Quick! ")

    assert found["status"] == "CLOSED"
    assert found["closedAt"] is not None
    assert found["resolution"]["state"] == "CONFIRMED"
    assert found["resolution"]["confirmBy"] is None
    assert found["resolution"]["answeredAt"] is not None
    assert (found["resolution"]["rating"], found["resolution"]["feedback"]) == (5, "Quick!")
    assert kinds(found) == ["TicketResolved", "ResolutionConfirmed", "TicketClosed"]
    (confirmed,) = [e for e in found["events"]["nodes"] if e["__typename"] == "ResolutionConfirmed"]
    assert (confirmed["rating"], confirmed["feedback"]) == (5, "Quick!")
    assert found["events"]["nodes"][-1] == {
        "__typename": "TicketClosed",
        "actor": {"name": customer.name},
        "expired": False,
        "closeReason": None,
    }
    assert await database.rows("SELECT rating FROM tickets") == [{"rating": 5}]
    stored = await database.rows("SELECT data::text AS data FROM events WHERE kind = 'ResolutionConfirmed'")
    assert "Quick!" not in stored[0]["data"]


async def test_the_same_again_changes_nothing_and_something_else_replaces_it(do, agent, customer, database):
    await do(agent, "resolveTicket")
    await do(customer, "confirmResolution", rating=5, feedback="Quick!")
    before = await database.counts()

    found = await do(customer, "confirmResolution", rating=5, feedback="Quick!")
    answered = found["resolution"]["answeredAt"]
    assert await database.counts() == before

    found = await do(customer, "confirmResolution", rating=2)
    assert (found["resolution"]["rating"], found["resolution"]["feedback"]) == (2, None)
    assert found["resolution"]["answeredAt"] == answered
    (moments,) = await database.rows("SELECT answered_at, rated_at FROM resolutions")
    assert moments["rated_at"] > moments["answered_at"]
    assert kinds(found)[-1] == "ResolutionConfirmed"
    assert await database.rows("SELECT rating FROM tickets") == [{"rating": 2}]

    await past(database, closed_at=30 * 24 * 3600 + 1)
    before = await database.counts()
    assert (await do(customer, "confirmResolution", rating=1))["reason"] == "WRONG_STATE"
    assert await database.counts() == before


async def test_who_rates_again_and_again_does_not_fill_anybodys_mailbox(
    do, api, agent, customer, ticket, database, work, mailbox
):
    await database.rows("UPDATE tickets SET assignee_id = :agent WHERE id = :id", agent=agent.id, id=ticket.uuid)
    await do(agent, "resolveTicket")
    await work.run()
    sent = len(mailbox.letters)
    for number in range(10):
        assert (await do(customer, "confirmResolution", rating=1 + number % 2))["resolution"]["rating"]

    before = await database.counts()
    answer = await api.answer(customer, mutation("confirmResolution"), input={"ticketId": ticket.gid, "rating": 5})
    again = await do(customer, "confirmResolution", rating=2)

    assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert again["resolution"]["rating"] == 2  # as it is already
    assert await database.counts() == before
    await work.run()
    assert len([letter for letter in mailbox.letters[sent:] if agent.email in letter["To"]]) == 10


async def test_each_resolution_has_its_own_rating(do, agent, customer, database):
    await do(agent, "resolveTicket")
    await do(customer, "confirmResolution", rating=1)
    await do(agent, "reopenTicket", reason="They called.")
    found = await do(agent, "resolveTicket")

    assert found["resolution"]["state"] == "AWAITING"
    assert await database.rows("SELECT rating FROM tickets") == [{"rating": None}]
    await do(customer, "confirmResolution", rating=4)
    rows = await database.rows("SELECT state, rating FROM resolutions ORDER BY id")
    assert rows == [{"state": "CONFIRMED", "rating": 1}, {"state": "CONFIRMED", "rating": 4}]


@pytest.mark.parametrize(
    ("given", "field"), [({"rating": 0}, "rating"), ({"rating": 6}, "rating"), ({"feedback": "x" * 2001}, "feedback")]
)
async def test_what_is_no_answer_is_refused(do, agent, customer, database, given, field):
    await do(agent, "resolveTicket")
    before = await database.counts()

    assert (await do(customer, "confirmResolution", **given))["field"] == field
    assert await database.counts() == before


async def test_nothing_is_confirmed_that_is_not_resolved(do, agent, customer, database):
    assert (await do(customer, "confirmResolution"))["reason"] == "WRONG_STATE"
    await do(customer, "closeTicket")
    before = await database.counts()

    assert (await do(customer, "confirmResolution", rating=3))["reason"] == "WRONG_STATE"
    assert await database.counts() == before


async def test_what_was_opened_again_is_not_confirmed_any_more(do, agent, customer, database):
    await do(agent, "resolveTicket")
    await do(customer, "reopenTicket", reason="It still burns.")
    before = await database.counts()

    assert (await do(customer, "confirmResolution", rating=5))["reason"] == "WRONG_STATE"
    assert await database.counts() == before


async def test_what_was_merged_into_another_is_neither_confirmed_nor_opened_again(
    do, api, submit, agent, customer, database, problem, ticket
):
    await do(agent, "resolveTicket")
    into = await submit(customer, problem)
    merge = "mutation($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
    await api(agent, merge, input={"intoTicketId": into["id"], "ticketIds": [ticket.gid]})
    before = await database.counts()

    assert (await do(customer, "confirmResolution", rating=5))["reason"] == "WRONG_STATE"
    refusal = await do(agent, "reopenTicket", reason="It still burns.")
    assert (refusal["reason"], refusal["current"]) == ("WRONG_STATE", {"id": into["id"]})
    assert await database.counts() == before


# --- Opening again ----------------------------------------------------------------------------------------------------


async def test_the_customer_opens_it_again_and_their_reason_is_a_comment(do, agent, customer):
    await do(agent, "resolveTicket")

    found = await do(customer, "reopenTicket", reason="It *still* burns.\nReally.")

    assert found["status"] == "OPEN"
    assert found["waitingSince"] is not None
    assert found["resolution"]["state"] == "REJECTED"
    assert found["resolution"]["confirmBy"] is None
    assert found["resolution"]["answeredAt"] is not None
    comment = {"body": "It *still* burns.\nReally.", "internal": False, "author": {"name": customer.name}}
    assert found["comments"]["nodes"] == [comment]
    assert kinds(found) == ["TicketResolved", "CommentAdded", "TicketReopened"]
    assert found["events"]["nodes"][-1]["reason"] == "It *still* burns.\nReally."


async def test_who_solves_what_they_asked_for_has_not_answered_it(do, submit, agent, colleague, problem):
    mine = await submit(colleague, problem)

    found = await do(colleague, "resolveTicket", ticketId=mine["id"], summary="It was unplugged.")

    assert (found["status"], found["firstRespondedAt"]) == ("RESOLVED", None)


async def test_so_it_is_of_what_staff_asked_for_themselves(do, submit, agent, colleague, problem):
    mine = await submit(colleague, problem)
    await do(agent, "resolveTicket", ticketId=mine["id"])

    found = await do(colleague, "reopenTicket", ticketId=mine["id"], reason="It still burns.")

    assert found["comments"]["nodes"] == [
        {"body": "It still burns.", "internal": False, "author": {"name": colleague.name}}
    ]


async def test_the_reason_is_read_once_in_the_mail_and_in_the_app(do, agent, customer, work, mailbox, database, ticket):
    await database.rows("UPDATE tickets SET assignee_id = :agent WHERE id = :id", agent=agent.id, id=ticket.uuid)
    await do(agent, "resolveTicket")
    await work.run()

    await do(customer, "reopenTicket", reason="It *still* burns.\nReally.")
    await work.run()

    text, html = (mailbox.to(agent.email)[-1].get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "<em>still</em>" in html
    assert text.count("has opened it again.") == text.count("It *still* burns.") == text.count("Really.") == 1
    told = await database.rows("SELECT kind FROM notifications WHERE person_id = :id ORDER BY seq", id=agent.id)
    assert [row["kind"] for row in told] == ["TICKET_REOPENED"]


async def test_a_comment_that_opens_it_again_is_news_of_its_own(
    do, api, agent, customer, work, mailbox, database, ticket
):
    await database.rows("UPDATE tickets SET assignee_id = :agent WHERE id = :id", agent=agent.id, id=ticket.uuid)
    await do(agent, "resolveTicket")
    await work.run()

    add = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await api(customer, add, input={"ticketId": ticket.gid, "body": "It still burns."})
    await work.run()

    told = await database.rows("SELECT kind FROM notifications WHERE person_id = :id ORDER BY seq", id=agent.id)
    assert [row["kind"] for row in told] == ["COMMENT_ADDED", "TICKET_REOPENED"]


@pytest.mark.parametrize("has_it", [True, False])
async def test_the_mail_tells_the_rating_to_whoever_may_read_it(
    do, agent, customer, work, mailbox, database, ticket, has_it
):
    await do(agent, "resolveTicket")
    await work.run()
    await database.rows("UPDATE tickets SET assignee_id = :id", id=agent.id if has_it else None)

    await do(customer, "confirmResolution", rating=4, feedback="Canary")
    await work.run()

    text = mailbox.to(agent.email)[-1].get_body(("plain",)).get_content()
    told = ("with 4 of 5" in text, "Canary" in text, "has confirmed that it is solved" in text)
    assert told == (has_it, has_it, not has_it)


async def test_that_it_is_confirmed_is_told_once_and_as_what_it_is(
    do, api, agent, lead, watcher, customer, work, mailbox, database, ticket
):
    """Confirming closes it, which is no news of its own."""
    await database.rows("UPDATE tickets SET assignee_id = :agent WHERE id = :id", agent=agent.id, id=ticket.uuid)
    await database.rows("INSERT INTO watchers VALUES (:id, :who)", id=ticket.uuid, who=lead.id)
    await do(agent, "resolveTicket")
    await work.run()
    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()

    await do(customer, "confirmResolution", rating=2, feedback="Slow.")
    await work.run()

    news = "{ viewer { notifications { nodes { kind body } } } }"
    rated = "Printer on fire · Carla Customer rates the help with 2 of 5. Slow."
    solved = "Printer on fire · Carla Customer has confirmed that it is solved."
    for viewer, kind, body in (
        (agent, "RESOLUTION_CONFIRMED", rated),
        (lead, "RESOLUTION_CONFIRMED", rated),
        (watcher, "STATUS_CHANGED", solved),
    ):
        told = (await api(viewer, news))["viewer"]["notifications"]["nodes"]
        assert told == [{"kind": kind, "body": body}], viewer.name
        (letter,) = mailbox.to(viewer.email)
        text = letter.get_body(("plain",)).get_content()
        said = "rates the help with 2 of 5." if kind == "RESOLUTION_CONFIRMED" else "has confirmed that it is solved."
        assert (said in text, "has closed it" in text) == (True, False), viewer.name


@pytest.mark.parametrize(("who", "letters"), [("the resolver", 1), ("its assignee", 3), ("a lead", 3)])
async def test_another_rating_is_told_to_those_alone_who_may_read_it(
    do, agent, lead, customer, work, mailbox, database, ticket, who, letters
):
    """To all others it would say once more that it is solved."""
    resolver = lead if who == "a lead" else agent
    has_it = agent.id if who == "its assignee" else None
    await do(resolver, "resolveTicket")
    await work.run()
    await database.rows("UPDATE tickets SET assignee_id = :who WHERE id = :id", who=has_it, id=ticket.uuid)

    for rating in (5, 4, 3):
        await do(customer, "confirmResolution", rating=rating)
        await work.run()

    about = "SELECT id FROM notifications WHERE kind = 'RESOLUTION_CONFIRMED' AND person_id = :id"
    assert len(await database.rows(about, id=resolver.id)) == letters
    assert len([each for each in mailbox.to(resolver.email) if "#" in each["Subject"]]) == letters


async def test_a_comment_of_the_customers_rejects_the_resolution_too(do, read, api, agent, customer, ticket):
    await do(agent, "resolveTicket")
    add = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"

    await api(customer, add, input={"ticketId": ticket.gid, "body": "No."})

    found = await read(customer)
    assert found["status"] == "OPEN"
    assert found["resolution"]["state"] == "REJECTED"


async def test_the_desk_opens_a_closed_one_for_30_days(do, agent, customer, database):
    await do(agent, "resolveTicket")
    await do(customer, "confirmResolution", rating=3)
    before = await database.counts()
    assert (await do(customer, "reopenTicket", reason="Hm."))["reason"] == "WRONG_STATE"
    assert await database.counts() == before

    found = await do(agent, "reopenTicket", reason="They called.")

    assert found["status"] == "OPEN"
    assert found["closedAt"] is None
    assert found["comments"]["nodes"] == []
    assert found["resolution"]["state"] == "CONFIRMED"  # as the customer had said
    await do(agent, "closeTicket")
    await past(database, closed_at=30 * 24 * 3600 + 1)
    before = await database.counts()
    assert (await do(agent, "reopenTicket", reason="Again."))["reason"] == "WRONG_STATE"
    assert await database.counts() == before


async def test_an_open_one_is_not_opened_and_a_reason_is_needed(do, agent, customer, database):
    assert (await do(agent, "reopenTicket", reason="Why not."))["reason"] == "WRONG_STATE"
    await do(agent, "resolveTicket")
    before = await database.counts()

    assert (await do(customer, "reopenTicket", reason=" "))["field"] == "reason"
    assert (await do(customer, "reopenTicket", reason="x" * 2001))["field"] == "reason"
    assert await database.counts() == before


# --- Closing ----------------------------------------------------------------------------------------------------------


async def test_the_desk_closes_for_a_reason_that_only_staff_read(do, read, agent, customer, database):
    await do(agent, "resolveTicket")

    found = await do(agent, "closeTicket", reason="Spam.")

    assert found["status"] == "CLOSED"
    assert found["resolution"]["state"] == "EXPIRED"
    assert found["events"]["nodes"][-1]["closeReason"] == "Spam."
    theirs = await read(customer)
    assert theirs["events"]["nodes"][-1] | {"actor": None} == {
        "__typename": "TicketClosed",
        "actor": None,
        "expired": False,
        "closeReason": None,
    }
    assert (await do(customer, "confirmResolution", rating=4))["resolution"]["rating"] == 4
    before = await database.counts()
    assert (await do(agent, "closeTicket"))["reason"] == "ALREADY_DONE"
    assert await database.counts() == before


@pytest.mark.parametrize("status", ["OPEN", "PENDING", "ON_HOLD"])
async def test_customers_withdraw_what_is_not_resolved(do, customer, database, status):
    await database.rows("UPDATE tickets SET status = :status", status=status)

    assert (await do(customer, "closeTicket"))["status"] == "CLOSED"


async def test_what_is_closed_waits_for_nobody(do, agent, database):
    await database.rows("UPDATE tickets SET status = 'ON_HOLD', resumes_at = now() + interval '1 day'")

    found = await do(agent, "closeTicket")

    assert (found["resumesAt"], found["waitingSince"]) == (None, None)


async def test_customers_confirm_what_is_resolved_and_do_not_close_it(do, agent, customer, database):
    await do(agent, "resolveTicket")
    before = await database.counts()

    assert (await do(customer, "closeTicket"))["reason"] == "WRONG_STATE"
    assert (await do(agent, "closeTicket", reason="x" * 501))["field"] == "reason"
    assert await database.counts() == before


# --- Who may ----------------------------------------------------------------------------------------------------------


GIVEN = {"reopenTicket": {"reason": "No."}, "confirmResolution": {"rating": 1}}


@pytest.mark.parametrize("resolved", [False, True])
@pytest.mark.parametrize("name", NAMES)
async def test_who_can_not_see_it_can_not_tell(do, agent, stranger, billing_agent, database, api, name, resolved):
    if resolved:
        await do(agent, "resolveTicket")
    before = await database.counts()

    for viewer in (stranger, billing_agent):
        answer = await do(viewer, name, **GIVEN.get(name, {}))
        assert answer == {"__typename": "NotFound", "field": "ticketId", "message": "There is no such ticket."}
    given = {"ticketId": "tkt_0193b3a0-0000-7000-8000-000000000000"} | GIVEN.get(name, {})
    assert await api.refused(None, mutation(name), input=given) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_who_sees_it_and_has_no_part_in_it_may_not(do, agent, watcher, customer, database, link_session):
    session = await link_session(customer)
    assert (await do(session, "resolveTicket"))["__typename"] == "NotAllowed"
    assert (await do(customer, "resolveTicket"))["__typename"] == "NotAllowed"
    await do(agent, "resolveTicket")
    before = await database.counts()

    for name in NAMES:
        assert (await do(watcher, name, **GIVEN.get(name, {})))["__typename"] == "NotAllowed"
    assert (await do(agent, "confirmResolution", rating=5))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_session_for_one_ticket_answers_as_its_requester(do, agent, customer, link_session, api, ticket):
    session = await link_session(customer)
    await do(agent, "resolveTicket")
    assert (await do(session, "reopenTicket", reason="No."))["status"] == "OPEN"
    add = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    answer = await api(session, add, input={"ticketId": ticket.gid, "body": "See?"})
    assert answer["addComment"]["__typename"] == "AddCommentSuccess"
    await do(agent, "resolveTicket")

    assert (await do(session, "confirmResolution", rating=4))["resolution"]["rating"] == 4


async def test_staff_of_elsewhere_are_the_customers_of_their_own_tickets(
    api, do, submit, agent, billing_agent, problem, database
):
    found = await submit(billing_agent, problem)
    await do(agent, "resolveTicket", ticketId=found["id"])

    assert (await do(billing_agent, "resolveTicket", ticketId=found["id"]))["__typename"] == "NotAllowed"
    answer = await do(billing_agent, "confirmResolution", ticketId=found["id"], rating=2)
    assert answer["resolution"]["rating"] == 2


@pytest.mark.parametrize("category_too", [False, True])
async def test_what_opens_in_a_department_that_was_archived_goes_where_its_category_does(
    api, do, agent, customer, billing, other, problem, database, ticket, category_too
):
    await do(agent, "resolveTicket")
    where = "archived_at = now()" if category_too else "department_id = :to"
    given = {} if category_too else {"to": billing.id}
    await database.rows(f"UPDATE categories SET {where} WHERE id = :id", id=problem.id, **given)
    await database.rows("UPDATE categories SET department_id = :to WHERE id = :id", id=other.id, to=billing.id)
    await database.rows("UPDATE departments SET archived_at = now() WHERE id <> :id", id=billing.id)

    assert (await do(customer, "reopenTicket", reason="It still burns."))["status"] == "OPEN"

    assert await database.rows("SELECT department_id FROM tickets") == [{"department_id": billing.id}]
    kinds = [row["kind"] for row in await database.rows("SELECT kind FROM events ORDER BY seq")]
    assert kinds[-2:] == ["TicketReopened", "TicketRouted"]


# --- Who reads ratings ------------------------------------------------------------------------------------------------


FIND = "query($filter: TicketFilter) { tickets(filter: $filter) { totalCount nodes { id } } }"


async def test_ratings_are_for_requester_assignee_and_leads(
    do, read, api, agent, colleague, lead, director, customer, watcher, link_session, database, ticket
):
    await database.rows("UPDATE tickets SET assignee_id = :who", who=agent.id)
    await do(agent, "resolveTicket")
    await do(customer, "confirmResolution", rating=2, feedback="CANARY")
    session = await link_session(customer)

    for viewer, sees in [
        (customer, True), (session, True), (agent, True), (lead, True), (director, True), (colleague, False),
        (watcher, False),
    ]:  # fmt: skip
        found = await read(viewer)
        said = (2, "CANARY") if sees else (None, None)
        assert (found["resolution"]["rating"], found["resolution"]["feedback"]) == said, viewer.name
        (event,) = [e for e in found["events"]["nodes"] if e["__typename"] == "ResolutionConfirmed"]
        assert (event["rating"], event["feedback"]) == said, viewer.name
        for ratings, fits in (([2, 5], True), ([1], False), ([], False)):
            listed = (await api(viewer, FIND, filter={"ratings": ratings}))["tickets"]
            expected = [{"id": ticket.gid}] if sees and fits else []
            assert (listed["totalCount"], listed["nodes"]) == (len(expected), expected), (viewer.name, ratings)


async def test_tickets_are_found_by_when_they_were_resolved(do, api, agent, customer, database, ticket):
    await do(agent, "resolveTicket")
    (row,) = await database.rows("SELECT resolved_at FROM tickets")
    at, later = (row["resolved_at"] + dt.timedelta(hours=hours) for hours in (0, 1))
    cases = [((at, later), True), ((at, None), True), ((None, at), False), ((later, None), False)]

    for viewer in (agent, customer):
        for (start, end), found in cases:
            span = {"from": start and start.isoformat(), "to": end and end.isoformat()}
            listed = (await api(viewer, FIND, filter={"resolved": span}))["tickets"]["nodes"]
            assert listed == ([{"id": ticket.gid}] if found else [])


# --- Waiting for the customer -----------------------------------------------------------------------------------------


async def due(database):
    """As if the clock had to look now."""
    await database.rows("UPDATE tickets SET timer_at = now() - interval '1 second'")


async def test_the_customer_is_reminded_once_halfway(do, agent, customer, desk, database, work, mailbox, ticket):
    await do(agent, "resolveTicket")
    await work.run()
    await timers.sweep(desk)
    await timers.sweep(desk)  # what happened may make something fall due at once
    (row,) = await database.rows("SELECT t.timer_at - r.resolved_at AS left FROM tickets t, resolutions r")
    assert row["left"] == dt.timedelta(days=3.5)
    assert await work.asked(RemindOfResolution) == []

    await past(database, resolved_at=4 * 86400, confirm_by=4 * 86400)
    for _ in range(3):
        await due(database)
        await asyncio.gather(*(timers.sweep(desk) for _ in range(4)))

    assert len(await work.asked(RemindOfResolution)) == 1
    rows = await database.rows("SELECT t.timer_at = r.confirm_by AS right FROM tickets t, resolutions r")
    assert rows == [{"right": True}]
    await work_off(work, RemindOfResolution)
    messages = await database.rows("SELECT recipient_id, kind FROM messages WHERE kind = 'TICKET_RESOLVED'")
    # When it was resolved, and once more.
    assert messages == 2 * [{"recipient_id": customer.id, "kind": "TICKET_RESOLVED"}]
    await work.run()
    first, second = (each.get_body(("plain",)).get_content() for each in mailbox.to(customer.email)[-2:])
    assert ("Ada Agent has solved it." in first, "A reminder: " in first) == (True, False)
    assert "A reminder: Ada Agent has solved it." in second


async def work_off(work, *kinds):
    """Performs the jobs of these kinds alone."""
    from infra import jobs

    for row in await work.database.rows("SELECT id, kind FROM jobs WHERE state = 'QUEUED'"):
        if row["kind"] in {kind.__name__ for kind in kinds}:
            assert await jobs.perform(work.desk, row["id"])


async def test_who_answered_meanwhile_is_not_reminded(do, agent, customer, desk, database, work):
    await do(agent, "resolveTicket")
    await past(database, resolved_at=4 * 86400, confirm_by=4 * 86400)
    await timers.sweep(desk)
    assert len(await work.asked(RemindOfResolution)) == 1
    await do(customer, "confirmResolution")

    await work_off(work, RemindOfResolution)

    assert await database.rows("SELECT 1 FROM messages WHERE kind = 'TICKET_RESOLVED'") == []


async def test_what_nobody_answers_closes_by_itself_once(do, read, agent, customer, desk, database, work):
    await do(agent, "resolveTicket")
    await past(database, resolved_at=8 * 86400, confirm_by=8 * 86400)

    for _ in range(2):
        await due(database)
        await asyncio.gather(*(timers.sweep(desk) for _ in range(4)))

    found = await read(customer)
    assert found["status"] == "CLOSED"
    assert found["resolution"]["state"] == "EXPIRED"
    assert kinds(found) == ["TicketResolved", "TicketClosed"]
    assert found["events"]["nodes"][-1] == {
        "__typename": "TicketClosed",
        "actor": None,
        "expired": True,
        "closeReason": None,
    }
    assert await work.asked(RemindOfResolution) == []
    rated = await do(customer, "confirmResolution", rating=3)
    assert rated["resolution"]["state"] == "EXPIRED"  # they said nothing in time
    assert rated["resolution"]["rating"] == 3
    assert kinds(rated)[-1] == "ResolutionConfirmed"


async def test_whose_time_ran_out_is_told_and_may_still_rate(do, http, agent, customer, desk, database, work, mailbox):
    await do(agent, "resolveTicket")
    await past(database, resolved_at=8 * 86400, confirm_by=8 * 86400)
    await work.run()
    mailbox.letters.clear()
    await timers.sweep(desk)
    await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
    await work.run()

    (letter,) = mailbox.to(customer.email)
    text = letter.get_body(("plain",)).get_content()
    assert "It is closed, since nobody has said that anything is left to do." in text
    page = await http.get(re.search(r"http://desk\.test(/t/\S+)", text)[1])
    assert 'value="confirm"' in page.text


async def test_what_was_confirmed_too_late_is_not_rejected_when_the_desk_opens_it_again(
    do, api, agent, customer, director, desk, work
):
    await do(agent, "resolveTicket")
    await do(agent, "closeTicket")
    await do(customer, "confirmResolution", rating=5)

    reopened = await do(agent, "reopenTicket", reason="Something is left to do.")

    assert reopened["resolution"]["state"] == "EXPIRED"
    await work.run()
    await counting.add_up(desk)
    figures = "query($filter: MetricsFilter!) { metrics(filter: $filter) { total { reopenedCount } } }"
    asked = {"from": (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()}
    assert (await api(director, figures, filter=asked))["metrics"]["total"] == {"reopenedCount": 0}


async def test_the_clock_reads_once_for_many(do, submit, agent, customer, problem, desk, database, monkeypatch):
    for _ in range(5):
        found = await submit(customer, problem)
        await do(agent, "resolveTicket", ticketId=found["id"])
    await past(database, resolved_at=8 * 86400, confirm_by=8 * 86400)
    await due(database)
    unit_type, asked = timers.Unit, []
    fetched = unit_type._fetched

    async def counted(self, build, arguments, **options):
        asked.append(build.__name__)
        return await fetched(self, build, arguments, **options)

    monkeypatch.setattr(unit_type, "_fetched", counted)
    await timers.sweep(desk)

    assert asked.count("_awaiting") == 1
    rows = await database.rows("SELECT count(*) FROM tickets WHERE status = 'CLOSED'")
    assert rows == [{"count": 5}]


async def test_confirming_and_running_out_meet_and_one_wins(do, agent, customer, desk, database):
    await do(agent, "resolveTicket")
    await past(database, resolved_at=8 * 86400, confirm_by=8 * 86400)

    await asyncio.gather(timers.sweep(desk), do(customer, "confirmResolution", rating=5), timers.sweep(desk))

    rows = await database.rows("SELECT count(*) FROM events WHERE kind = 'TicketClosed'")
    assert rows == [{"count": 1}]
    assert await database.rows("SELECT rating FROM resolutions") == [{"rating": 5}]


# --- Articles that answer ---------------------------------------------------------------------------------------------


async def test_an_article_that_answers_is_sent_along(do, publish, work, mailbox, agent, customer, database):
    article = await publish("Reset a password")

    await do(agent, "resolveTicket", summary="As described.", articleId=article.gid)

    await work.run()
    letter = next(letter for letter in mailbox.to(customer.email) if "As described." in str(letter))
    text = letter.get_body(("plain",)).get_content()
    assert "The answer stands in our article “Reset a password”:" in text
    assert "Press *reset*." in text
    assert "Press <em>reset</em>." in letter.get_body(("html",)).get_content()
    assert await database.rows("SELECT article_id FROM resolutions") == [{"article_id": article.id}]


async def test_an_article_that_its_reader_may_not_read_is_not_sent(
    do, publish, as_lead, work, mailbox, agent, customer, database
):
    article = await publish("Canary")
    await do(agent, "resolveTicket", articleId=article.gid)
    await as_lead(publishing.archive, article.id)

    await work.run()
    text, html = (mailbox.to(customer.email)[-1].get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "has solved it." in text
    assert "Canary" not in text + html
    assert "Press" not in text + html


async def test_of_a_long_article_the_mail_has_what_it_is_about(do, publish, work, mailbox, agent, customer, database):
    article = await publish("Reset a password")
    sql = "UPDATE articles SET body = repeat('x', 20001), body_html = repeat('x', 20001), summary = 'Press it long.'"
    await database.rows(sql)

    await do(agent, "resolveTicket", articleId=article.gid)

    await work.run()
    for kind in ("plain", "html"):
        text = mailbox.to(customer.email)[-1].get_body((kind,)).get_content()
        assert "Press it long." in text
        assert "xxx" not in text


async def test_the_tickets_page_shows_the_article_while_its_reader_may_read_it(
    do, publish, as_lead, http, desk, ticket, agent, customer, monkeypatch
):
    article = await publish("Reset a password")
    await do(agent, "resolveTicket", articleId=article.gid)
    path = ticket_link("", desk.signer, ticket.uuid, customer.id, customer.email)

    with monkeypatch.context() as patched:
        patched.setattr(type(desk.writes), "begin", lambda *_: 1 / 0)  # it is but read
        page = (await http.get(path)).text
    assert "The answer stands in our article “Reset a password”:" in page
    assert "Press <em>reset</em>." in page

    await as_lead(publishing.archive, article.id)
    page = (await http.get(path)).text
    assert "How it was solved" in page
    assert "Press" not in page
    assert "Reset a password" not in page


async def test_articles_that_customers_cannot_read_answer_nothing(do, publish, agent, database):
    hidden = await publish("Canary", ArticleAudience.STAFF)
    draft = await publish("Canary draft", out=False)
    before = await database.counts()

    for article in (hidden, draft):
        answer = await do(agent, "resolveTicket", articleId=article.gid)
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", "articleId")
    missing = await do(agent, "resolveTicket", articleId="art_00000000-0000-7000-8000-000000000000")
    assert (missing["__typename"], missing["field"]) == ("NotFound", "articleId")
    assert await database.counts() == before
