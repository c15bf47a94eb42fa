"""Comments: added by customers and the desk, with files, and who hears of them."""

import asyncio
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from domain import attempts
from domain.jobs import Announce
from domain.messages import ticket_link
from infra import jobs
from models import Role, Ticket

ADD = """mutation($input: AddCommentInput!) { addComment(input: $input) { __typename
  ... on AddCommentSuccess { comment { id body bodyHtml internal channel author { name } createdAt editedAt deletedAt
      emailStatus viewerCanEdit attachments { filename } }
    ticket { status waitingSince firstRespondedAt lastSeq comments { totalCount } } }
  ... on InvalidInput { field message } ... on NotFound { field }
  ... on Conflict { reason message current { id } missedEvents { __typename seq actor { name } } }
  ... on RateLimited { retryAfterSeconds } ... on Refusal { message } } }"""
ADD_INTERNAL = """mutation($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename
  ... on AddInternalCommentSuccess { comment { id internal } ticket { lastSeq } } ... on Refusal { message } } }"""
READ = """query($id: ID!, $internal: Boolean) { ticket(id: $id) { status lastSeq comments(internal: $internal) {
  totalCount nodes { body internal emailStatus viewerCanEdit attachments { filename comment { body } } } }
  events { nodes { __typename seq ... on CommentAdded { comment { body } }
    ... on StatusChanged { fromStatus toStatus reason resumesAt } } } } }"""
BY_LINK = """mutation ($input: SignInWithLinkInput!) { signInWithLink(input: $input) {
  ... on SignInWithLinkSuccess { session { accessToken } } } }"""
PREFER = """mutation ($input: SetNotificationPreferencesInput!) {
  setNotificationPreferences(input: $input) { __typename } }"""


@pytest.fixture
def add(api, ticket):
    """Comments on the ticket, and gives the whole result."""

    async def added(viewer, body="And now it **smokes**.", *, internal=False, **given):
        given = {"ticketId": ticket.gid, "body": body} | given
        answer = await api(viewer, ADD_INTERNAL if internal else ADD, input=given)
        return answer["addInternalComment" if internal else "addComment"]

    return added


@pytest.fixture
def read(api, ticket):
    async def found(viewer, **variables):
        return (await api(viewer, READ, id=ticket.gid, **variables))["ticket"]

    return found


@pytest.fixture
def set_status(database, ticket):
    async def set_(status):
        await database.rows("UPDATE tickets SET status = :status WHERE id = :id", status=status, id=ticket.uuid)

    return set_


# --- Writing ----------------------------------------------------------------------------------------------------------


async def test_a_customer_adds_what_they_left_out(add, customer):
    answer = await add(customer)

    assert answer["comment"].pop("id").startswith("com_")
    assert answer["comment"].pop("createdAt")
    assert answer["comment"] == {
        "body": "And now it **smokes**.",
        "bodyHtml": "<p>And now it <strong>smokes</strong>.</p>",
        "internal": False,
        "channel": "PORTAL",
        "author": {"name": customer.name},
        "editedAt": None,
        "deletedAt": None,
        "emailStatus": None,
        "viewerCanEdit": True,
        "attachments": [],
    }
    assert answer["ticket"]["comments"]["totalCount"] == 1
    assert answer["ticket"]["firstRespondedAt"] is None


async def test_many_at_once_by_few_all_get_there(add, read, customer, agent, database):
    several = [add(who, f"{number}", internal=who is agent) for number in range(12) for who in (customer, agent)]
    found = await asyncio.gather(*several)

    assert {each["__typename"] for each in found} == {"AddCommentSuccess", "AddInternalCommentSuccess"}
    assert (await read(agent))["comments"]["totalCount"] == len(several)
    counts = await database.rows("SELECT count FROM attempts WHERE key LIKE 'comment:%'")
    assert [row["count"] for row in counts] == [12, 12]


@pytest.mark.parametrize("status", ["OPEN", "PENDING", "ON_HOLD", "RESOLVED"])
async def test_a_customers_comment_opens_what_waited_for_them(add, read, customer, set_status, status):
    await set_status(status)

    answer = await add(customer)

    assert answer["ticket"]["status"] == ("ON_HOLD" if status == "ON_HOLD" else "OPEN")
    kinds = [event["__typename"] for event in (await read(customer))["events"]["nodes"]][2:]
    expected = {"PENDING": ["StatusChanged"], "RESOLVED": ["TicketReopened"]}.get(status, [])
    assert kinds == ["CommentAdded", *expected]


@pytest.mark.parametrize("status", ["PENDING", "RESOLVED"])
async def test_who_works_elsewhere_and_watches_opens_nothing(
    api, add, read, agent, customer, billing_agent, set_status, status, ticket, database
):
    watch = "mutation($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
    await api(agent, watch, input={"ticketId": ticket.gid, "personId": billing_agent.gid})
    await add(agent, "Have you tried again?")
    await set_status(status)

    await add(billing_agent, "Our side is fine.")

    assert await database.rows("SELECT status, waiting_since FROM tickets") == [
        {"status": status, "waiting_since": None}
    ]
    kinds = [event["__typename"] for event in (await read(customer))["events"]["nodes"]][2:]
    assert kinds == ["CommentAdded", "CommentAdded"]


async def test_who_works_elsewhere_and_watches_does_not_answer_for_the_desk(add, watch, billing_agent, ticket):
    await watch(billing_agent)

    found = (await add(billing_agent, "Our side is fine."))["ticket"]

    assert found["waitingSince"] is not None
    assert found["firstRespondedAt"] is None


async def test_a_customer_who_watches_asks_again_as_the_one_who_asked_does(add, watch, stranger, set_status, ticket):
    await watch(stranger)
    await set_status("PENDING")

    assert (await add(stranger))["ticket"]["status"] == "OPEN"


async def test_a_closed_ticket_takes_no_more_and_says_what_to_do(add, customer, agent, set_status, database, ticket):
    await set_status("CLOSED")
    before = await database.counts()

    for viewer in (customer, agent):
        answer = await add(viewer)

        assert answer["__typename"] == "Conflict"
        assert answer["reason"] == "WRONG_STATE"
        assert answer["current"] == {"id": ticket.gid}
        assert "Submit a new one" in answer["message"]
    assert await database.counts() == before


async def test_the_desks_answer_ends_the_waiting(add, agent, customer):
    first = (await add(agent))["ticket"]
    assert first["firstRespondedAt"] is not None
    assert first["waitingSince"] is None

    again = (await add(customer))["ticket"]
    assert again["waitingSince"] is not None

    later = (await add(agent))["ticket"]
    assert later["waitingSince"] is None
    assert later["firstRespondedAt"] == first["firstRespondedAt"]


async def test_who_asked_does_not_answer_themselves(add, submit, director, agent, problem):
    asked = (await submit(director, problem))["id"]
    ticket = (await add(director, ticketId=asked, thenStatus="PENDING"))["ticket"]
    assert (ticket["status"], ticket["firstRespondedAt"]) == ("PENDING", None)
    assert ticket["waitingSince"]
    ticket = (await add(agent, ticketId=asked))["ticket"]
    assert ticket["waitingSince"] is None
    assert ticket["firstRespondedAt"]

    ticket = (await add(director, ticketId=asked))["ticket"]

    assert ticket["status"] == "OPEN"  # it waited for them
    assert ticket["waitingSince"]


async def test_the_desk_sets_the_status_in_the_same_step(add, read, agent):
    answer = await add(agent, thenStatus="PENDING")

    assert answer["ticket"]["status"] == "PENDING"
    changed = (await read(agent))["events"]["nodes"][-1]
    assert changed == {
        "__typename": "StatusChanged",
        "seq": answer["ticket"]["lastSeq"],
        "fromStatus": "OPEN",
        "toStatus": "PENDING",
        "reason": None,
        "resumesAt": None,
    }
    same = await add(agent, thenStatus="PENDING")
    assert (await read(agent))["events"]["nodes"][-1]["__typename"] == "CommentAdded"
    assert same["ticket"]["status"] == "PENDING"


async def test_a_resolved_ticket_is_moved_by_reopening_alone(add, agent, set_status):
    await set_status("RESOLVED")

    answer = await add(agent, thenStatus="PENDING")

    assert (answer["__typename"], answer["reason"]) == ("Conflict", "WRONG_STATE")
    assert (await add(agent))["ticket"]["status"] == "RESOLVED"


async def test_files_come_with_a_comment(add, read, customer, desk, uploaded):
    upload = await uploaded(customer)

    answer = await add(customer, "", uploadIds=[upload])

    assert answer["comment"]["attachments"] == [{"filename": "cat.png"}]
    (comment,) = (await read(customer))["comments"]["nodes"]
    assert comment["attachments"] == [{"filename": "cat.png", "comment": {"body": ""}}]


async def test_the_same_key_comments_once(add, read, customer):
    answers = [await add(customer, idempotencyKey="k") for _ in range(2)]

    assert answers[0]["comment"] == answers[1]["comment"]
    assert (await read(customer))["comments"]["totalCount"] == 1
    assert (await add(customer, "Another", idempotencyKey="k"))["reason"] == "KEY_REUSED"


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"body": ""}, "body"),
        ({"body": " \n\t "}, "body"),
        ({"body": "x" * 20_001}, "body"),
        ({"ticketId": "dep_00000000-0000-7000-8000-000000000000"}, "ticketId"),
        ({"uploadIds": ["nonsense"]}, "uploadIds.0"),
    ],
)
async def test_input_that_can_not_be_accepted(add, customer, database, given, field):
    before = await database.counts()

    answer = await add(customer, **given)

    assert (answer["__typename"], answer["field"]) == ("InvalidInput", field)
    assert await database.counts() == before


async def test_what_cannot_be_seen_is_not_found(api, add, ticket, stranger, billing_agent, database):
    before = await database.counts()
    nowhere = "tkt_00000000-0000-7000-8000-000000000000"

    for viewer in (stranger, billing_agent):
        assert (
            await add(viewer)
            == await add(viewer, ticketId=nowhere)
            == {
                "__typename": "NotFound",
                "field": "ticketId",
                "message": "There is no such ticket.",
            }
        )
    assert (await add(billing_agent, internal=True))["__typename"] == "NotFound"
    assert await database.counts() == before
    assert await api.refused(None, ADD, input={"ticketId": ticket.gid, "body": "x"}) == "UNAUTHENTICATED"


async def test_customers_neither_set_the_status_nor_comment_internally(add, customer, database, watch, ticket, house):
    watcher = await house.person("Will Watching", Role.AGENT)
    await watch(watcher)  # staff who don't work on it are as customers
    before = await database.counts()

    for viewer in (customer, watcher):
        assert (await add(viewer, thenStatus="ON_HOLD"))["__typename"] == "NotAllowed"
        assert (await add(viewer, internal=True))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_reader_of_an_old_state_is_told_what_they_missed(add, read, customer, agent, database):
    seen = (await read(agent))["lastSeq"]
    await add(agent, "My own", ifSeq=seen)
    assert (await add(agent, "Once more", ifSeq=seen))["__typename"] == "AddCommentSuccess"
    await add(customer)
    before = await database.counts()

    answer = await add(agent, "Too late", ifSeq=seen)

    assert (answer["__typename"], answer["reason"]) == ("Conflict", "CHANGED_MEANWHILE")
    assert [(event["__typename"], event["actor"]["name"]) for event in answer["missedEvents"]] == [
        ("CommentAdded", agent.name),
        ("CommentAdded", agent.name),
        ("CommentAdded", customer.name),
    ]
    assert await database.counts() == before
    assert (await add(agent, "Now", ifSeq=answer["missedEvents"][-1]["seq"]))["__typename"] == "AddCommentSuccess"


async def test_a_note_is_no_conflict_for_the_customer(add, read, customer, agent):
    seen = (await read(customer))["lastSeq"]
    await add(agent, internal=True)

    assert (await add(customer, ifSeq=seen))["__typename"] == "AddCommentSuccess"


async def test_whoever_sees_a_ticket_from_the_other_side_by_now_is_told_so(
    add, read, customer, agent, database, watch, ticket, billing
):
    for text in ("One", "Two", "Three"):
        await add(agent, text, internal=True)
    await watch(agent)
    seen = (await read(agent))["lastSeq"]
    await database.rows("UPDATE tickets SET department_id = :id", id=billing.id)
    await add(customer, "What they missed.")
    now = (await read(agent))["lastSeq"]
    assert now < seen  # as customers count

    answer = await add(agent, "Unaware of it", ifSeq=seen)

    assert (answer["__typename"], answer["reason"]) == ("Conflict", "CHANGED_MEANWHILE")
    assert (await add(agent, "Aware of it", ifSeq=now))["__typename"] == "AddCommentSuccess"


async def test_too_many_comments_are_told_to_wait(add, customer, agent, monkeypatch):
    monkeypatch.setattr(attempts, "COMMENT_BY_CUSTOMER", attempts.COMMENT_BY_CUSTOMER.__class__("c", 1, 3600))
    assert (await add(customer))["__typename"] == "AddCommentSuccess"

    assert (await add(customer))["retryAfterSeconds"] > 0
    for _ in range(2):  # the desk may write more
        assert (await add(agent))["__typename"] == "AddCommentSuccess"


async def test_of_many_at_once_no_more_get_there_than_may(add, database, customer, monkeypatch):
    monkeypatch.setattr(attempts, "COMMENT_BY_CUSTOMER", attempts.COMMENT_BY_CUSTOMER.__class__("c", 5, 3600))

    found = await asyncio.gather(*(add(customer, f"{number}") for number in range(16)))

    kinds = [each["__typename"] for each in found]
    assert (kinds.count("AddCommentSuccess"), kinds.count("RateLimited")) == (5, 11)
    assert len(await database.rows("SELECT id FROM comments")) == 5
    assert await database.rows("SELECT count FROM attempts WHERE key LIKE 'c:%'") == [{"count": 5}]


# --- Internal ones ----------------------------------------------------------------------------------------------------


async def test_internal_comments_are_for_those_who_work_on_it(add, read, customer, agent):
    await add(agent, "Public")
    answer = await add(agent, "CANARY", internal=True)
    assert answer["comment"]["internal"] is True

    seen = await read(agent)
    assert [node["body"] for node in seen["comments"]["nodes"]] == ["Public", "CANARY"]
    assert [node["body"] for node in (await read(agent, internal=True))["comments"]["nodes"]] == ["CANARY"]
    assert [node["body"] for node in (await read(agent, internal=False))["comments"]["nodes"]] == ["Public"]
    theirs = await read(customer)
    assert "CANARY" not in str(theirs)
    assert theirs["comments"]["totalCount"] == 1
    assert (await read(customer, internal=True))["comments"]["totalCount"] == 0
    assert theirs["lastSeq"] == len(theirs["events"]["nodes"])


async def test_an_internal_comment_changes_nothing_else(api, add, read, customer, agent, set_status):
    await set_status("PENDING")
    before = await read(customer)

    await add(agent, internal=True)

    assert await read(customer) == before


# --- Who hears of it --------------------------------------------------------------------------------------------------


async def test_everyone_concerned_is_told_each_once(
    add, watch, work, told, mailbox, desk, house, support, ticket, customer
):
    people = SimpleNamespace(
        assignee=await house.person("Otto Outside", Role.AGENT),
        watcher=await house.person("Wanda Watcher"),
        member=await house.person("Mia Member", Role.AGENT, support),
    )
    await watch(people.watcher)
    await work.run()
    mailbox.letters.clear()

    await add(customer)  # nobody has it yet, so the whole department is told
    await work.run()

    assert ("COMMENT_ADDED", customer.name) in await told(people.member)
    assert ("COMMENT_ADDED", customer.name) in await told(people.watcher)
    assert ("COMMENT_ADDED", customer.name) not in await told(customer)
    assert [letter.bcc for letter in mailbox.letters] == [[people.watcher.email]]
    await desk_assigns(desk, ticket, people.assignee)
    mailbox.letters.clear()

    await add(people.assignee, "It is **out**.")
    await work.run()

    assert (await told(customer))[0] == ("COMMENT_ADDED", people.assignee.name)
    assert (await told(people.member))[0] == ("COMMENT_ADDED", customer.name)
    assert sorted(letter.bcc[0] for letter in mailbox.letters) == sorted([customer.email, people.watcher.email])


async def desk_assigns(desk, ticket, person):
    async with desk.writes.begin() as unit:
        await unit.run(assigned, ticket.uuid, person.id)


def assigned(ticket_id, person_id):
    return update(Ticket).where(Ticket.id == ticket_id).values(assignee_id=person_id)


async def test_the_email_says_what_was_written_and_where_to_answer(add, read, work, mailbox, agent, customer, ticket):
    await work.run()
    mailbox.letters.clear()
    await add(agent, "Turn it **off** <script>")

    await work.run()

    (letter,) = mailbox.to(customer.email)
    text = letter.get_body(("plain",)).get_content()
    html = letter.get_body(("html",)).get_content()
    assert letter["subject"] == f"Re: [#{ticket.number}] Printer on fire"
    assert "Turn it **off** <script>" in text
    assert "http://desk.test/t/" in text
    assert "<strong>off</strong>" in html
    assert "<script>" not in html
    (comment,) = (await read(agent))["comments"]["nodes"]
    assert comment["emailStatus"] == "SENT"
    (theirs,) = (await read(customer))["comments"]["nodes"]
    assert theirs["emailStatus"] is None


async def test_of_a_customer_who_wants_no_emails_whoever_answers_knows(
    api, add, read, work, mailbox, database, watch, agent, customer, director, ticket
):
    await watch(director)
    preference = {"kind": "COMMENT_ADDED", "channel": "EMAIL", "enabled": False}
    for person in (customer, director):
        await api(person, PREFER, input={"preferences": [preference]})
    await work.run()
    mailbox.letters.clear()

    await add(agent, "Turn it off.", thenStatus="PENDING")
    await work.run()
    await add(customer, "I have.")
    await work.run()

    assert [comment["emailStatus"] for comment in (await read(agent))["comments"]["nodes"]] == ["SKIPPED", None]
    skipped = await database.rows("SELECT recipient_id FROM messages WHERE status = 'SKIPPED'")
    assert skipped == [{"recipient_id": customer.id}]  # of others nobody asks
    (letter,) = mailbox.to(customer.email)  # of the status
    assert "Turn it off." not in letter.as_string()
    sql = "SELECT kind FROM events WHERE kind = 'MessageSent' AND ticket_id = :id AND data->>'recipient_id' = :who"
    sent = await database.rows(sql, id=ticket.uuid, who=str(customer.id))
    assert len(sent) == 2  # of the ticket, and of its status


async def test_the_email_names_the_files(add, uploaded, work, mailbox, customer, agent, submit, problem, api):
    preference = {"kind": "TICKET_SUBMITTED", "channel": "EMAIL", "enabled": True}
    await api(agent, PREFER, input={"preferences": [preference]})
    await submit(customer, problem, uploadIds=[await uploaded(customer, filename="of_another.png")])
    await work.run()
    mailbox.letters.clear()

    files = [await uploaded(agent), await uploaded(agent, filename="<b>map.png")]
    await add(agent, "", uploadIds=files)
    submitted = await submit(customer, problem, uploadIds=[await uploaded(customer, filename="log.png")])
    await add(customer, "", ticketId=submitted["id"], uploadIds=[await uploaded(customer, filename="later.png")])
    await work.run()

    letter = next(each for each in mailbox.to(customer.email) if each["Subject"].startswith("Re: "))
    text, html = (letter.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert text.split("\r\n\r\n")[2:4] == ["Ada Agent has written:", "Attached: cat.png, <b>map.png"]
    assert "<p>Attached: cat.png, &lt;b&gt;map.png</p>" in html
    assert "border-left:3px" not in html  # nothing was said
    (letter,) = mailbox.to(agent.email)
    assert "Attached: log.png" in letter.get_body(("plain",)).get_content().splitlines()


async def test_a_comment_asks_for_one_job(add, work, customer):
    await work.run()

    await add(customer)

    assert [type(job) for job in await work.asked()] == [Announce]


async def test_whoever_lost_the_ticket_gets_no_mail_of_it(
    add, work, mailbox, desk, agent, customer, stranger, ticket, database
):
    await work.run()
    mailbox.letters.clear()
    await add(agent)
    (job,) = await database.rows("SELECT id FROM jobs WHERE kind = 'Announce' AND state = 'QUEUED'")
    assert await jobs.perform(desk, job["id"])
    await database.rows("UPDATE tickets SET requester_id = :to WHERE id = :id", to=stranger.id, id=ticket.uuid)

    await work.run()

    assert await database.rows("SELECT status FROM messages WHERE kind = 'COMMENT_ADDED'") == [{"status": "SKIPPED"}]
    assert mailbox.letters == []


# --- Editing ----------------------------------------------------------------------------------------------------------


async def test_who_may_edit_is_told_to_buttons(
    api, add, read, house, support, customer, agent, database, desk, ticket, set_status
):
    lead = await house.person("Lea Lead", Role.TEAM_LEAD, support)
    await add(customer)

    async def may(viewer):
        return [node["viewerCanEdit"] for node in (await read(viewer))["comments"]["nodes"]]

    assert (await may(customer), await may(agent), await may(lead)) == ([True], [False], [True])
    link = ticket_link("", desk.signer, ticket.uuid, customer.id, customer.email).removeprefix("/t/")
    session = (await api(None, BY_LINK, input={"token": link}))["signInWithLink"]["session"]
    assert await may(SimpleNamespace(token=session["accessToken"])) == [False]
    await database.rows("UPDATE comments SET created_at = created_at - interval '16 minutes'")
    assert (await may(customer), await may(agent), await may(lead)) == ([False], [False], [True])
    await database.rows("UPDATE comments SET deleted_at = now(), body = NULL, body_html = NULL")
    assert await may(lead) == [False]
