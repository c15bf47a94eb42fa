"""Who sees a ticket, by which door: a word in each of its texts appears exactly where its reader may read it."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import select

import models
from domain import history, sessions
from domain.happenings import TicketAssigned
from models import Role

PUBLIC = ("word-in-subject", "word-in-body", "word-in-file", "word-in-topic")
INTERNAL = ("word-in-tag", "word-in-internal-file", "MessageSent")
CUSTOMERS = ("requester", "watcher", "session")
STAFF = ("agent", "assignee", "lead", "manager", "director", "admin")
OUTSIDE = ("nobody", "stranger", "billing_agent", "billing_lead", "billing_manager")

FIELDS = """number subject body bodyHtml tags lastSeq updatedAt triage { topic suggestedCategory { name } }
  requester { name email active } assignee { name email }
  attachments { totalCount nodes { filename url } } events { totalCount nodes { __typename seq
    ... on TicketSubmitted { subject initialTags } ... on MessageSent { recipient { email } } } }"""
DOORS = {
    "ticket": f"query ($id: ID!) {{ ticket(id: $id) {{ {FIELDS} }} }}",
    "ticketByNumber": f"query ($number: Int!) {{ ticketByNumber(number: $number) {{ {FIELDS} }} }}",
    "tickets": f"{{ tickets {{ totalCount nodes {{ {FIELDS} }} }} }}",
    "node": f"query ($id: ID!) {{ node(id: $id) {{ ... on Ticket {{ {FIELDS} }} }} }}",
    "nodes": f"query ($id: ID!) {{ nodes(ids: [$id]) {{ ... on Ticket {{ {FIELDS} }} }} }}",
}


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
async def scene(desk, house, database, api, submit, work, mailbox, support, billing, other, customer, stranger):
    """A ticket with a word in each text, and everyone who may or may not see it."""
    people = SimpleNamespace(nobody=None, requester=customer, stranger=stranger)
    people.watcher = await house.person("Wanda Watcher")
    people.agent = await house.person("Ada Agent", Role.AGENT, support)
    people.assignee = await house.person("Otto Outside", Role.AGENT, billing)
    people.billing_agent = await house.person("Bill Billing", Role.AGENT, billing)
    people.billing_lead = await house.person("Lea Lead", Role.TEAM_LEAD, billing)
    people.billing_manager = await house.person("Max Manager", Role.MANAGER, billing)
    people.lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    people.manager = await house.person("Mia Manager", Role.MANAGER, support)
    people.director = await house.person("Dora Director", Role.DIRECTOR)
    people.admin = await house.person("Alex Admin", Role.ADMIN)
    found = await submit(
        people.agent, other, requesterId=customer.gid, subject="word-in-subject", body="word-in-body",
        otherTopic="word-in-topic", tags=["word-in-tag"],
    )  # fmt: skip
    gid = found["id"]
    ticket = SimpleNamespace(gid=gid, id=gid.removeprefix("tkt_"), number=found["number"])
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, sessions.UUID(ticket.id))
        history.record(unit, people.lead.id, row, TicketAssigned(None, people.assignee.id))
        unit.change(row, assignee_id=people.assignee.id)
        unit.insert(models.Watcher, ticket_id=row.id, person_id=people.watcher.id)
        for name, internal in (("word-in-file.txt", False), ("word-in-internal-file.txt", True)):
            unit.insert(
                models.Attachment,
                ticket_id=row.id,
                filename=name,
                content_type="text/plain",
                size_bytes=1,
                key=name,
                internal=internal,
                uploaded_by_id=customer.id,
                created_at=unit.now,
            )
        session = unit.insert(
            models.Session,
            person_id=customer.id,
            ticket_id=row.id,
            refresh_count=0,
            created_at=unit.now,
            expires_at=unit.now + sessions.KEPT,
            ended_at=None,
        )
        opened = sessions._tokens(desk, session, Role.CUSTOMER, unit.now)
    people.session = SimpleNamespace(token=opened.access_token)
    await work.run()
    return SimpleNamespace(ticket=ticket, **vars(people))


@pytest.mark.parametrize("door", DOORS)
async def test_each_word_is_read_by_exactly_those_who_may(api, scene, door):
    variables = {"id": scene.ticket.gid, "number": scene.ticket.number}
    asked = {name: value for name, value in variables.items() if f"${name}" in DOORS[door]}
    for who in (*CUSTOMERS, *STAFF, *OUTSIDE):
        answer = json.dumps(await api.answer(getattr(scene, who), DOORS[door], **asked))
        may_read = (*PUBLIC, *INTERNAL) if who in STAFF else PUBLIC if who in CUSTOMERS else ()
        read = [word for word in (*PUBLIC, *INTERNAL) if word in answer.replace("word-in-internal-file", "INTERNAL")]
        read += ["word-in-internal-file"] * ("word-in-internal-file" in answer)
        assert sorted(read) == sorted(may_read), (who, answer)


ENDINGS = [
    ("DELETE FROM watchers", {"watcher"}),
    ("UPDATE tickets SET assignee_id = NULL", {"assignee"}),
    ("UPDATE tickets SET requester_id = :stranger", {"requester", "session"}),
    ("UPDATE tickets SET department_id = :billing", {"agent", "lead", "manager"}),
    ("DELETE FROM memberships", {"agent", "lead", "manager"}),
    # Of these, no process has heard yet.
    ("UPDATE people SET active = false", {*CUSTOMERS, *STAFF}),
    ("UPDATE people SET role = 'CUSTOMER' WHERE role <> 'CUSTOMER'", {*STAFF}),
]


@pytest.mark.parametrize(("sql", "losers"), ENDINGS)
async def test_a_right_that_ends_takes_every_word_with_it(api, database, scene, billing, sql, losers):
    variables = {"id": scene.ticket.gid, "number": scene.ticket.number}
    await database.rows(
        sql, **{k: v.id for k, v in (("stranger", scene.stranger), ("billing", billing)) if f":{k}" in sql}
    )

    for door, query in DOORS.items():
        asked = {name: value for name, value in variables.items() if f"${name}" in query}
        for who in (*CUSTOMERS, *STAFF):
            answer = json.dumps(await api.answer(getattr(scene, who), query, **asked))
            assert any(word in answer for word in PUBLIC) == (who not in losers), (door, who)
            assert any(word in answer for word in INTERNAL) == (who in STAFF and who not in losers), (door, who)


async def test_staff_and_customers_count_without_a_gap_each(api, scene):
    for who, last in (("requester", 3), ("watcher", 3), ("session", 3), ("agent", 5), ("admin", 5), ("assignee", 5)):
        ticket = (await api(getattr(scene, who), DOORS["ticket"], id=scene.ticket.gid))["ticket"]
        seqs = [event["seq"] for event in ticket["events"]["nodes"]]
        assert seqs == list(range(1, last + 1)), who
        assert (ticket["lastSeq"], ticket["events"]["totalCount"]) == (last, last), who


async def test_people_are_told_what_they_may_know_of_each_other(api, scene):
    for who, email in (
        ("watcher", None),
        ("requester", "carla.customer@example.com"),
        ("agent", "carla.customer@example.com"),
    ):
        ticket = (await api(getattr(scene, who), DOORS["ticket"], id=scene.ticket.gid))["ticket"]
        assert ticket["requester"]["email"] == email, who
        assert (ticket["requester"]["active"] is None) == (who != "agent"), who
        assert (ticket["assignee"]["email"] is None) == (who != "agent"), who


FILTERS = [
    '{tags: ["word-in-tag"]}',
    "{needsTriage: true}",
    "{unassigned: false}",
    "{statuses: [OPEN]}",
    '{created: {from: "2020-01-01T00:00:00Z"}}',
    "{}",
]


@pytest.mark.parametrize("condition", FILTERS)
async def test_no_filter_counts_what_is_not_seen(api, scene, condition):
    query = f"{{ tickets(filter: {condition}) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage }} }} }}"
    hidden = {"tickets": {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False}}}
    for who in ("stranger", "billing_agent"):
        assert await api(getattr(scene, who), query) == hidden, who
    for who in CUSTOMERS:
        seen = (await api(getattr(scene, who), query))["tickets"]["totalCount"]
        assert seen == (0 if "tags" in condition else 1), who  # to a customer, tickets have no tags
    for who in STAFF:
        assert (await api(getattr(scene, who), query))["tickets"]["totalCount"] == 1, who


async def test_a_filter_by_a_person_tells_nothing_of_them(api, scene):
    query = "query ($ids: [ID!]) { tickets(filter: {assigneeIds: $ids}) { totalCount } }"
    for who in ("stranger", "billing_agent"):
        assert await api(getattr(scene, who), query, ids=[scene.assignee.gid]) == {"tickets": {"totalCount": 0}}


async def test_what_is_not_seen_looks_like_what_is_not_there(api, scene):
    nowhere = "tkt_00000000-0000-7000-8000-000000000000"
    for who in ("stranger", "billing_agent"):
        viewer = getattr(scene, who)
        for door in ("ticket", "node", "nodes"):
            unseen = await api.post(viewer, DOORS[door], id=scene.ticket.gid)
            assert unseen.content == (await api.post(viewer, DOORS[door], id=nowhere)).content
        unseen = await api.post(viewer, DOORS["ticketByNumber"], number=scene.ticket.number)
        assert unseen.content == (await api.post(viewer, DOORS["ticketByNumber"], number=999_999)).content


async def test_what_hangs_on_a_ticket_is_found_by_id_only_by_who_sees_it(api, database, scene):
    rows = await database.rows(
        "SELECT 'evt_' || id AS id, public_seq IS NULL AS internal FROM events UNION ALL "
        "SELECT 'att_' || id, internal FROM attachments"
    )
    assert len(rows) == 7
    for row in rows:
        for who in (*CUSTOMERS, *STAFF, "stranger", "billing_agent"):
            found = (await api(getattr(scene, who), "query ($id: ID!) { node(id: $id) { id } }", id=row["id"]))["node"]
            assert (found is not None) == (who in STAFF or (who in CUSTOMERS and not row["internal"])), (who, row)


async def test_people_are_found_by_id_by_staff_and_by_those_who_share_a_ticket(api, scene):
    query = "query ($id: ID!) { node(id: $id) { ... on Person { name email } } }"
    for who in ("requester", "watcher", "session"):
        for whom in ("requester", "assignee", "lead", "agent"):
            found = (await api(getattr(scene, who), query, id=getattr(scene, whom).gid))["node"]
            assert found is not None, (who, whom)
        for whom in ("stranger", "billing_agent", "director"):
            assert (await api(getattr(scene, who), query, id=getattr(scene, whom).gid)) == {"node": None}, (who, whom)
    assert await api(scene.stranger, query, id=scene.requester.gid) == {"node": None}
    assert (await api(scene.billing_agent, query, id=scene.requester.gid))["node"]["email"] is not None


async def test_a_session_for_one_ticket_sees_nothing_else(api, scene, submit, problem):
    another = await submit(scene.requester, problem, subject="Another matter")

    assert await api(scene.session, DOORS["ticket"], id=another["id"]) == {"ticket": None}
    assert (await api(scene.session, "{ tickets { nodes { number } } }"))["tickets"]["nodes"] == [
        {"number": scene.ticket.number}
    ]
    viewer = (await api(scene.session, "{ viewer { can notifications { totalCount } } }"))["viewer"]
    assert viewer == {"can": [], "notifications": {"totalCount": 0}}
    refusal = await submit(scene.session, problem)
    assert refusal["__typename"] == "NotAllowed"


async def test_a_notification_tells_no_more_once_its_ticket_cannot_be_seen(api, database, scene):
    query = "{ viewer { notifications { nodes { kind title body subject { __typename } } } } }"
    (told,) = (await api(scene.lead, query))["viewer"]["notifications"]["nodes"]
    assert (told["body"], told["subject"]) == ("word-in-subject", {"__typename": "Ticket"})

    await database.rows("DELETE FROM memberships WHERE person_id = :who", who=scene.lead.id)

    (told,) = (await api(scene.lead, query))["viewer"]["notifications"]["nodes"]
    assert (told["body"], told["subject"]) == (None, None)
    assert "word-in-subject" not in told["title"]


async def test_mail_goes_to_those_alone_whom_it_concerns_in_person(scene, mailbox):
    people = {scene.requester.email, scene.assignee.email}
    assert {address for letter in mailbox.letters for address in letter.bcc} == people
    for letter in mailbox.letters:
        text, unseen = letter.as_string(), ["word-in-tag", "word-in-internal-file"]
        if letter.bcc == [scene.requester.email]:  # who has it reads what was asked
            unseen.append("word-in-body")
        assert not [word for word in unseen if word in text]
