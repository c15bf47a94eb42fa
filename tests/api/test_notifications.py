"""Notifications: who is told of a ticket, what they see of it, and what they have read."""

import datetime as dt

import pytest

from domain import inboxes
from domain.inboxes import News
from infra import jobs
from infra.ids import new_id
from models import NotificationKind, Role

TOLD = """query ($unreadOnly: Boolean! = false) { viewer { unread { count } notifications(unreadOnly: $unreadOnly) {
  totalCount nodes { id kind title body at readAt actor { name } subject { ... on Ticket { number } } } } } }"""
MARK = """mutation ($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) { __typename
  ... on MarkNotificationsReadSuccess { unread { count } notifications { id readAt } }
  ... on InvalidInput { field } } }"""


def sometime(day):
    return dt.datetime(2026, 1, 1 + day, tzinfo=dt.UTC)


@pytest.fixture
def told(api):
    """What somebody was told, newest first."""

    async def seen(viewer, **variables):
        return (await api(viewer, TOLD, **variables))["viewer"]["notifications"]["nodes"]

    return seen


@pytest.fixture
def unread(api):
    """How many notifications somebody has not read."""

    async def count(viewer):
        return (await api(viewer, TOLD))["viewer"]["unread"]["count"]

    return count


@pytest.fixture
def mark(api):
    """Marks notifications, and gives the answer."""

    async def marked(viewer, *, read=True, **which):
        return (await api(viewer, MARK, input={"which": which, "read": read}))["markNotificationsRead"]

    return marked


async def test_a_ticket_is_told_to_its_requester_and_to_the_departments_staff(
    house, told, work, mailbox, support, customer, stranger, agent, billing_agent, director, ticket
):
    lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    await work.run()

    (received,) = await told(customer)
    assert received["kind"] == "TICKET_RECEIVED"
    assert received["title"] == f"We have received your ticket #{ticket.number}"
    for colleague in (agent, lead):
        (news,) = await told(colleague)
        assert news["kind"] == "TICKET_SUBMITTED"
        assert news["title"] == f"New ticket #{ticket.number}"
        assert (news["body"], news["subject"]) == ("Printer on fire", {"number": ticket.number})
        assert (news["actor"], news["readAt"]) == ({"name": "Carla Customer"}, None)
    for other in (stranger, billing_agent, director):
        assert await told(other) == []


async def test_who_submits_for_a_customer_is_not_told_of_it(
    house, submit, told, work, mailbox, support, customer, agent, problem
):
    colleague = await house.person("Cora Colleague", Role.AGENT, support)
    await submit(agent, problem, requesterId=customer.gid)
    await work.run()

    assert await told(agent) == []
    assert [news["kind"] for news in await told(colleague)] == ["TICKET_SUBMITTED"]
    (received,) = await told(customer)
    assert (received["kind"], received["actor"]) == ("TICKET_RECEIVED", {"name": "Ada Agent"})


async def test_a_ticket_of_the_category_for_everything_else_asks_for_triage(
    submit, told, work, mailbox, customer, agent, other
):
    await submit(customer, other, otherTopic="Something strange")
    await work.run()

    assert [news["kind"] for news in await told(agent)] == ["TRIAGE_NEEDED"]


async def test_staff_who_were_shut_out_are_not_told(house, database, submit, work, mailbox, support, customer, problem):
    gone = await house.person("Gone Gary", Role.AGENT, support)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    await submit(customer, problem)
    await work.run()

    assert await database.rows("SELECT id FROM notifications WHERE person_id = :id", id=gone.id) == []


async def test_a_job_that_runs_twice_tells_once(desk, database, work, told, mailbox, customer, agent, ticket):
    (job,) = await database.rows("SELECT id FROM jobs WHERE kind = 'Announce'")
    await work.run()
    before = await database.counts()

    assert not await jobs.perform(desk, job["id"])

    assert await database.counts() == before
    assert [len(await told(viewer)) for viewer in (customer, agent)] == [1, 1]


async def test_each_is_told_once_of_a_cause_and_kind(desk, database, unread, customer, agent):
    kind, cause = NotificationKind.SLA_AT_RISK, new_id()
    news = [
        News(agent.id, kind, cause),
        News(agent.id, kind, new_id()),
        News(agent.id, NotificationKind.SLA_BREACHED, cause),
        News(customer.id, kind, cause),
    ]

    for told in (news[:1], news, news):
        async with desk.writes.begin() as unit:
            await inboxes.tell(unit, told)

    rows = await database.rows("SELECT person_id, kind, cause_id FROM notifications ORDER BY id")
    assert [(row["person_id"], row["kind"], row["cause_id"]) for row in rows] == [
        (each.person_id, each.kind.name, each.cause_id) for each in news
    ]
    assert [await unread(viewer) for viewer in (agent, customer)] == [3, 1]


async def test_unread_ones_are_counted_and_listed(submit, told, mark, unread, work, mailbox, customer, agent, problem):
    for subject in ("First", "Second", "Third"):
        await submit(customer, problem, subject=subject)
    await work.run()
    third, second, first = await told(agent)
    assert [news["body"] for news in (third, second, first)] == ["Third", "Second", "First"]
    assert await unread(agent) == 3

    answer = await mark(agent, ids=[second["id"]])

    assert answer["unread"] == {"count": 2}
    assert [(news["id"], news["readAt"] is None) for news in answer["notifications"]] == [(second["id"], False)]
    assert [news["id"] for news in await told(agent, unreadOnly=True)] == [third["id"], first["id"]]
    assert await unread(agent) == 2
    assert await unread(customer) == 3


async def test_marking_again_changes_nothing_and_read_false_takes_it_back(
    told, mark, unread, work, mailbox, agent, ticket
):
    await work.run()
    (news,) = await told(agent)
    await mark(agent, ids=[news["id"]])
    (read,) = await told(agent)

    assert (await mark(agent, ids=[news["id"], news["id"]]))["unread"] == {"count": 0}
    assert await told(agent) == [read]

    for _ in range(2):
        assert (await mark(agent, ids=[news["id"]], read=False))["unread"] == {"count": 1}
        assert await told(agent) == [news]


async def test_all_about_one_ticket_are_marked(submit, told, mark, work, mailbox, customer, agent, problem):
    one = await submit(customer, problem, subject="One")
    await submit(customer, problem, subject="Two")
    await work.run()

    answer = await mark(agent, ticketId=one["id"])

    assert (answer["unread"], answer["notifications"]) == ({"count": 1}, [])
    assert [news["body"] for news in await told(agent, unreadOnly=True)] == ["Two"]
    assert (await mark(agent, ticketId=one["id"], read=False))["unread"] == {"count": 2}


async def test_all_up_to_a_moment_are_marked_that_moment_included(
    database, submit, told, mark, work, mailbox, customer, agent, problem
):
    for number in range(3):
        await submit(customer, problem, subject=str(number))
        await work.run()
        await database.rows("UPDATE notifications SET at = :at WHERE at > '2026-01-09'", at=sometime(number))

    answer = await mark(agent, upTo="2026-01-02T01:00:00+01:00")

    assert answer["unread"] == {"count": 1}
    assert [news["body"] for news in await told(agent, unreadOnly=True)] == ["2"]


async def test_ids_of_others_change_nothing_and_look_like_none(
    database, told, mark, unread, work, mailbox, customer, agent, ticket
):
    await work.run()
    (own,), (foreign,) = await told(agent), await told(customer)
    nowhere = "ntf_00000000-0000-7000-8000-000000000000"

    unseen = await mark(agent, ids=[foreign["id"]])
    missing = await mark(agent, ids=[nowhere])

    assert (
        unseen == missing == {"__typename": "MarkNotificationsReadSuccess", "unread": {"count": 1}, "notifications": []}
    )
    assert await told(customer) == [foreign]
    assert await unread(customer) == 1
    both = await mark(agent, ids=[foreign["id"], own["id"]])
    assert [news["id"] for news in both["notifications"]] == [own["id"]]


async def test_nothing_is_left_to_mark_for_somebody_who_was_never_told(mark, stranger, ticket):
    assert (await mark(stranger, ticketId=ticket.gid))["unread"] == {"count": 0}
    assert (await mark(stranger, ids=[]))["unread"] == {"count": 0}


@pytest.mark.parametrize(
    ("which", "field"),
    [
        ({"ids": ["nonsense"]}, "which.ids.0"),
        ({"ids": ["ntf_00000000-0000-7000-8000-000000000000", "tkt_x"]}, "which.ids.1"),
        ({"ids": ["ntf_00000000-0000-7000-8000-000000000000"] * 101}, "which.ids"),
        ({"ticketId": "cat_00000000-0000-7000-8000-000000000000"}, "which.ticketId"),
    ],
)
async def test_what_is_wrong_with_the_choice_is_said(mark, agent, which, field):
    assert await mark(agent, **which) == {"__typename": "InvalidInput", "field": field}


@pytest.mark.parametrize("which", [{}, {"ids": [], "upTo": "2026-01-02T00:00:00Z"}, {"ids": None}])
async def test_exactly_one_choice_is_made(api, agent, which):
    answer = await api.answer(agent, MARK, input={"which": which})

    assert "data" not in answer
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]


async def test_nobody_marks_anything(api):
    assert await api.refused(None, MARK, input={"which": {"ids": []}}) == "UNAUTHENTICATED"


async def test_the_words_go_with_the_right_to_see_the_ticket(database, api, told, work, mailbox, agent, ticket):
    await work.run()
    (before,) = await told(agent)
    await database.rows("DELETE FROM memberships WHERE person_id = :id", id=agent.id)

    (after,) = await told(agent)

    assert (before["body"], before["subject"]) == ("Printer on fire", {"number": ticket.number})
    assert (after["body"], after["subject"]) == (None, None)


async def test_a_ticket_tells_how_much_of_it_is_not_read(api, mark, work, mailbox, customer, agent, ticket):
    query = "query ($id: ID!) { ticket(id: $id) { viewerUnreadCount } }"
    await work.run()
    assert await api(agent, query, id=ticket.gid) == {"ticket": {"viewerUnreadCount": 1}}

    await mark(agent, ticketId=ticket.gid)

    assert await api(agent, query, id=ticket.gid) == {"ticket": {"viewerUnreadCount": 0}}
    assert await api(customer, query, id=ticket.gid) == {"ticket": {"viewerUnreadCount": 1}}


TEMPLATE = """mutation ($input: SaveMessageTemplateInput!) { saveMessageTemplate(input: $input) { __typename
  ... on Refusal { message } } }"""


async def test_the_desk_says_it_in_its_own_words(api, admin, customer, submit, problem, work, mailbox):
    body = "Dear {{name}}, **we look** at {{subject}} in {{department}}."
    said = {"kind": "TICKET_RECEIVED", "subject": "Got #{{number}}: {{status}}", "body": body}
    for use in ("IN_APP", "EMAIL"):
        answer = await api(admin, TEMPLATE, input={"name": use, "use": use, **said})
        assert answer["saveMessageTemplate"]["__typename"] == "SaveMessageTemplateSuccess"

    ticket = await submit(customer, problem)
    await work.run()

    read = "{ viewer { notifications { nodes { title body } } } }"
    (told,) = (await api(customer, read))["viewer"]["notifications"]["nodes"]
    words = f"Dear Carla Customer, we look at {ticket['subject']} in Technical Support."
    assert told == {"title": f"Got #{ticket['number']}: Open", "body": words}
    (letter,) = mailbox.to(customer.email)
    assert letter["Subject"] == f"Got #{ticket['number']}: Open"
    assert "<strong>we look</strong>" in letter.get_body(("html",)).get_content()


ADD = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"


async def test_the_desks_own_words_quote_who_wrote(api, admin, customer, agent, ticket, database, work, mailbox):
    said = {"kind": "COMMENT_ADDED", "subject": "{{author}} on #{{number}}", "body": "{{author}}: {{comment}}"}
    for use in ("IN_APP", "EMAIL"):
        await api(admin, TEMPLATE, input={"name": use, "use": use, **said})
    await api(agent, ADD, input={"ticketId": ticket.gid, "body": "Another one."})
    await work.run()
    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()

    await api(agent, ADD, input={"ticketId": ticket.gid, "body": "Is it **red**?"})
    await work.run()

    read = "{ viewer { notifications { nodes { title body } } } }"
    (told,) = (await api(customer, read))["viewer"]["notifications"]["nodes"]
    assert told == {"title": f"Ada Agent on #{ticket.number}", "body": "Ada Agent: Is it red?"}
    (letter,) = mailbox.to(customer.email)
    assert letter["Subject"] == f"Ada Agent on #{ticket.number}"
    assert "Ada Agent: Is it <strong>red</strong>?" in letter.get_body(("html",)).get_content()
    await database.rows("UPDATE comments SET internal = true")
    assert (await api(customer, read))["viewer"]["notifications"]["nodes"] == [
        {"title": f"New comment on ticket #{ticket.number}", "body": None}
    ]
