"""What is asked often finds its rows by an index: no table that grows is read from end to end."""

import datetime as dt
import re

import orjson
import pytest
from large_desk import GROWING, KEPT, TICKETS, VIEWERS, Plans

from domain import (
    access,
    announcing,
    attachments,
    attempts,
    audiences,
    deadlines,
    demo_large,
    drafts,
    escalations,
    happenings,
    idempotency,
    inboxes,
    mailing,
    mentions,
    messages,
    preferences,
    resolutions,
    sessions,
    sla,
    tickets,
    waking,
)
from domain.access import Viewer
from domain.escalations import looking as escalating_looks
from domain.escalations import raising
from domain.inbound import outcomes, waiting
from domain.news import events
from domain.sla import looking as sla_looks
from domain.sla import recalculating
from domain.tickets import confirming, conflicts, escalating, offering, search, statuses, timers
from domain.tickets.lists import TicketOrderField
from infra import jobs, relaying, transactions, writes
from infra.ids import new_id
from infra.postgres import Reads
from infra.statements import prepare
from infra.unit import now
from models import Event, Role, SlaTargetKind, Ticket

LIST = """query Tickets($filter: TicketFilter, $order: TicketOrder) {
  tickets(first: 50, filter: $filter, orderBy: $order) { pageInfo { hasNextPage endCursor } nodes {
    id number subject status updatedAt requester { id name } assignee { id name } department { id name } } } }"""
NEXT = """query Tickets($after: String, $order: TicketOrder) { tickets(first: 100, after: $after, orderBy: $order) {
  nodes { id } pageInfo { hasNextPage endCursor } } }"""
NUMBERED = "query Ticket($number: Int!) { ticketByNumber(number: $number) { id subject requester { name } lastSeq } }"
EVENTS = """query Events($id: ID!) { ticket(id: $id) { id subject events(first: 50) { nodes { seq at actor { name }
  ... on TicketSubmitted { subject } ... on CommentAdded { comment { body ticket { subject } } } } }
  attachments(first: 20) { nodes { filename } } viewerUnreadCount } }"""
TARGETS = """query Targets($id: ID!) { ticket(id: $id) { sla { policy { name targets { priority } }
  firstResponse { state dueAt } resolution { state remainingSeconds } } } }"""
NOTIFICATIONS = """query News { viewer { unread { count } notifications(first: 20) {
  nodes { id title body readAt } } } }"""

ORDERS = [
    (field, direction) for field in TicketOrderField if field.name != "RELEVANCE" for direction in ("ASC", "DESC")
]


async def test_a_read_of_a_whole_table_is_found(plans):
    assert await plans.read_whole("SELECT id FROM tickets WHERE body = $1", "x") == {"tickets"}


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_list_of_tickets(plans, people, viewer):
    assert not await plans.of_query(people[viewer], LIST) & GROWING


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_list_in_each_order(plans, people, viewer, field, direction):
    order = {"field": field.name, "direction": direction}
    assert not await plans.of_query(people[viewer], LIST, order=order) & GROWING


# A page of 50 by each way: departments and states for whoever works here, all of their own tickets for customers.
MOST_LOOKED_AT = {"customer": 250, "agent": 1_200, "lead of few": 400, "director": 5_000}


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_page_costs_what_a_page_costs(plans, people, viewer, field, direction):
    order, most = {"field": field.name, "direction": direction}, MOST_LOOKED_AT[viewer]
    for filter_ in (None, {"statuses": ["OPEN", "PENDING"]}):
        assert await plans.looked_at(people[viewer], LIST, order=order, filter=filter_) < most


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", ["customer", "agent", "director"])
async def test_a_deep_page_costs_what_the_first_does(plans, people, large, viewer, field, direction):
    order, after = {"field": field.name, "direction": direction}, None
    for _ in range(6):
        sql, arguments = plans.statement(people[viewer], NEXT, {"order": order, "after": after})
        page = orjson.loads(await large.fetchval(sql, *arguments))["data"]["tickets"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert await plans.looked_at(people[viewer], NEXT, order=order, after=after) < MOST_LOOKED_AT[viewer]


SEARCH = """query Search($filter: TicketFilter, $order: TicketOrder) {
  tickets(first: 20, filter: $filter, orderBy: $order) {
  edges { highlightHtml node { id subject } } pageInfo { hasNextPage } } }"""


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("order", [None, {"field": "UPDATED_AT", "direction": "DESC"}])
@pytest.mark.parametrize("common", [1, 100_000])
async def test_searches(people, large, server_url, monkeypatch, viewer, order, common):
    plans = Plans(large, Reads(server_url))
    monkeypatch.setattr(search, "COMMON", common)
    rare = await large.fetchval("SELECT substring(body FROM 'RMA[0-9]+') FROM comments WHERE body LIKE '%RMA%' LIMIT 1")
    for text in (rare, "printer", "printer -invoice", "photo serial", "1234"):
        assert not await plans.of_query(people[viewer], SEARCH, filter={"text": text}, order=order) & GROWING, text
    assert await plans.looked_at(people[viewer], SEARCH, filter={"text": rare}, order=order) < 2_000


@pytest.mark.parametrize(
    "name", ["status", "closed", "department", "assignee", "requester", "mine", "unassigned", "breached", "due"]
)
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_list_with_a_filter(plans, people, large, viewer, name):
    agent_id, customer_id = people["agent"].id, people["customer"].id
    department_id = await large.fetchval("SELECT department_id FROM memberships WHERE person_id = $1", agent_id)
    filter_ = {
        "status": {"statuses": ["OPEN", "PENDING"]},
        "closed": {"statuses": ["CLOSED"]},
        "department": {"departmentIds": [f"dep_{department_id}"]},
        "assignee": {"assigneeIds": [f"per_{agent_id}"]},
        "requester": {"requesterIds": [f"per_{customer_id}"]},
        "mine": {"mine": True},
        "unassigned": {"unassigned": True},
        "breached": {"breached": True},
        "due": {"dueBefore": "2030-01-01T00:00:00Z"},
    }[name]
    assert not await plans.of_query(people[viewer], LIST, filter=filter_) & GROWING


@pytest.mark.parametrize("order", [None, {"field": "DUE_AT", "direction": "ASC"}])
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_what_is_due_or_was_missed(plans, people, large, viewer, order):
    assert await large.fetchval("SELECT count(*) FROM tickets WHERE due_at > now()") > 100
    soon = (now() + dt.timedelta(hours=1)).isoformat(timespec="milliseconds")
    for filter_ in ({"dueBefore": soon}, {"breached": True, "statuses": ["OPEN", "ON_HOLD"]}):
        assert await plans.looked_at(people[viewer], LIST, order=order, filter=filter_) < MOST_LOOKED_AT[viewer]
        assert not await plans.of_query(people[viewer], LIST, order=order, filter=filter_) & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_targets_of_a_ticket(plans, people, large, viewer):
    ticket_id = await large.fetchval("SELECT id FROM tickets WHERE due_at IS NOT NULL LIMIT 1")
    assert not await plans.of_query(people[viewer], TARGETS, id=f"tkt_{ticket_id}") & GROWING


@pytest.mark.parametrize("change", ["policy", "calendar", "department"])
@pytest.mark.parametrize("later", [False, True])
async def test_tickets_that_are_counted_anew(plans, large, change, later):
    version = await large.fetchrow("SELECT id, policy_id FROM sla_versions")
    department_id = await large.fetchval("SELECT id FROM departments LIMIT 1")
    places = (version["id"], new_id()) if later else (None, None)
    which = {"policy": (version["policy_id"], None, None), "calendar": (None, new_id(), None)}
    which["department"] = (None, None, department_id)
    assert not await plans.of_statement(recalculating.batch, *which[change], *places, 500, lock=True) & GROWING


COUNT = "query Count($filter: TicketFilter) { tickets(first: 1, filter: $filter) { totalCount } }"


@pytest.mark.parametrize("viewer", ["customer", "agent", "lead of few"])
async def test_a_count_looks_at_what_it_counts(plans, people, large, viewer):
    """A list of saved views has one for each: among millions of tickets it must cost what those cost that are seen."""
    for filter_ in ({}, {"statuses": ["OPEN"]}, {"unassigned": True}, {"priorities": ["URGENT"]}, {"mine": True}):
        assert not await plans.of_query(people[viewer], COUNT, filter=filter_) & GROWING, filter_
        sql, arguments = plans.statement(people[viewer], COUNT, {"filter": filter_})
        count = orjson.loads(await large.fetchval(sql, *arguments))["data"]["tickets"]["totalCount"]
        everything = orjson.loads(await large.fetchval(*whole(plans, people[viewer])))["data"]["tickets"]["totalCount"]
        assert count <= everything < TICKETS / 2
        assert await plans.looked_at(people[viewer], COUNT, filter=filter_) < everything + 100, filter_


def whole(plans, viewer):
    """The statement, with its arguments, that counts all tickets that somebody sees."""
    sql, arguments = plans.statement(viewer, COUNT, {"filter": {}})
    return sql, *arguments


MONTH = {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_tickets_by_how_and_when_they_ended(plans, people, viewer):
    for filter_ in (
        {"ratings": [1]},
        {"ratings": [1, 2, 3, 4, 5]},
        {"resolved": MONTH},
        {"resolved": {"from": MONTH["to"]}},
    ):
        for order in (None, {"field": "CREATED_AT", "direction": "DESC"}):
            assert not await plans.of_query(people[viewer], LIST, filter=filter_, order=order) & GROWING, filter_
    # The newest of each department and rating.
    assert await plans.looked_at(people[viewer], LIST, filter={"ratings": [1, 2]}) < MOST_LOOKED_AT[viewer]


ENDED = """query Ended($id: ID!) { ticket(id: $id) { resolution { summary rating feedback resolvedBy { name } } } }"""


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_how_a_ticket_ended(plans, people, large, viewer):
    ticket_id = await large.fetchval("SELECT ticket_id FROM resolutions ORDER BY id OFFSET 50 LIMIT 1")
    assert not await plans.of_query(people[viewer], ENDED, id=f"tkt_{ticket_id}") & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_one_ticket(plans, people, large, viewer):
    row = await large.fetchrow("SELECT id, number FROM tickets ORDER BY id OFFSET 5000 LIMIT 1")
    assert not await plans.of_query(people[viewer], NUMBERED, number=row["number"]) & GROWING
    assert not await plans.of_query(people[viewer], EVENTS, id=f"tkt_{row['id']}") & GROWING


async def test_a_customers_people_are_found_by_their_tickets(plans, people):
    text = "query Person($id: ID!) { node(id: $id) { ... on Person { id name } } }"
    assert not await plans.of_query(people["customer"], text, id=f"per_{people['agent'].id}") & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_notifications(plans, people, viewer):
    assert not await plans.of_query(people[viewer], NOTIFICATIONS) & GROWING


@pytest.mark.parametrize(
    ("build", "arguments", "lock"),
    [
        (jobs._claim, (new_id(), jobs.GRACE, jobs.LEASE), False),
        (jobs._claim_together, ("Announce", 25, jobs.GRACE, jobs.LEASE), False),
        (jobs._claimed, ([new_id()], 1), True),
        (relaying._owed, (jobs.GRACE,), False),
        (writes._some, (relaying._old, now() - relaying.KEPT, 10), False),
        (attachments._orphans, (now(), 10), True),
        (attachments._own, (Viewer(Role.AGENT, new_id()), [new_id()]), True),
        (sessions._ended_since, (now() - dt.timedelta(minutes=6),), False),
        (sessions._open_ones, (new_id(), now()), True),
        (sessions._mailed_ones, (new_id(), now()), True),
        (writes._some, (sessions._old, now() - sessions.KEPT, 10), False),
        (attempts._count, ("key", now(), dt.timedelta(hours=1)), False),
        (access._departments_in, (Viewer(Role.AGENT, new_id()),), False),
        (attempts._so_far, ("key", now(), dt.timedelta(hours=1)), False),
        (transactions._as_it_was, (Ticket, "1", new_id()), True),
        (writes._some, (attempts._old, now() - attempts.SWEPT_AFTER, 10), False),
        (idempotency._claim, (new_id(), "submit_ticket", "key", b"digest", now()), False),
        (idempotency._one, (new_id(), "submit_ticket", "key"), True),
        (writes._some, (idempotency._old, now() - idempotency.KEPT, 10), False),
        (inboxes._told, (now(), [new_id()], ["COMMENT_ADDED"], [new_id()], [new_id()], [new_id()]), False),
        (audiences.tickets, ([new_id()],), True),
        (audiences._events, ([new_id()],), False),
        (audiences._people, ([new_id()], [new_id()], [new_id()], [new_id()]), False),
        (mentions._workers, (new_id(),), False),
        (announcing._resolved, (new_id(), new_id()), False),
        (announcing._firsts, ([new_id()],), False),
        (deadlines._running, ([new_id()],), False),
        (announcing._wishes, ([new_id()],), False),
        (events.of, (Viewer(Role.AGENT, new_id()), [new_id()]), False),
        (events.of, (Viewer(Role.CUSTOMER, new_id()), [new_id()]), False),
        (events.of, (Viewer(Role.DIRECTOR, new_id()), [new_id()]), False),
        (messages._its_tickets, ([new_id()],), False),
        (drafts.all_own, (["STATUS_CHANGED"],), False),
        (events.of_messages, (Role.AGENT, [new_id()]), False),
        (events.of_messages, (Role.CUSTOMER, [new_id()]), False),
        (mailing._went, ([new_id()], [new_id()], now()), False),
        (mailing._confirmed, ([new_id()], now()), False),
        (preferences.listed, (Viewer(Role.AGENT, new_id()), new_id()), False),
        (inboxes._mark_some, (new_id(), now(), [new_id()], True), False),
        (inboxes._mark_of_ticket, (new_id(), now(), new_id(), True), False),
        (inboxes._mark_up_to, (new_id(), now(), now(), True), False),
        (tickets.one, (Viewer(Role.AGENT, new_id()), new_id()), True),
        (tickets.one, (Viewer(Role.CUSTOMER, new_id()), new_id()), True),
        (tickets.worked_on, (Viewer(Role.AGENT, new_id()), new_id()), False),
        (conflicts._since, (Viewer(Role.AGENT, new_id()), new_id(), 3), False),
        (sla_looks.clocks_of, ([new_id()],), False),
        (sla._clock, (new_id(), SlaTargetKind.RESOLUTION), False),
        (sla._calendars, (new_id(), new_id(), new_id(), new_id()), False),
        (sla._calendar, (None, new_id()), False),
        (sla._calendar, (new_id(), new_id()), False),
        (timers._due, (now(), 200), False),
        (escalations.all_in_force, ([new_id()] * 200,), True),
        (escalating_looks._calendars, ([new_id()] * 200,), False),
        (escalating_looks._turns, ([new_id()] * 200,), False),
        (raising._in_departments, ([new_id()],), False),
        (raising._over_all, (), False),
        (waking._woken, (now(), new_id(), None, None), False),
        (waking._woken, (now(), waking.FIRST, [str(new_id())], ["LOW"]), False),
        (escalations.in_force, (new_id(),), True),
        (escalating._seen, (Viewer(Role.TEAM_LEAD, new_id()), new_id()), False),
        (escalating._seen, (Viewer(Role.DIRECTOR, new_id()), new_id()), False),
        (confirming._awaiting, ([new_id()],), True),
        (deadlines._ticket_of, (new_id(),), True),
        (offering._waiting, (offering.LOOKED_AT,), False),
        (offering._one, (new_id(),), False),
        (messages.saying_closed, (new_id(), new_id()), False),
        (outcomes.waiting_one, (new_id(),), True),
        (waiting._oldest, (), False),
        (resolutions.article, (Viewer(Role.CUSTOMER, new_id()), new_id()), False),
        (statuses.last_resolution, (new_id(),), True),
    ],
    ids=lambda value: f"{value.__module__}.{value.__name__}" if callable(value) else None,
)
async def test_statements_of_the_clock_the_relay_and_of_claims(plans, build, arguments, lock):
    assert not await plans.of_statement(build, *arguments, lock=lock) & (GROWING | KEPT)


async def test_a_comment_looks_at_those_alone_whom_it_concerns(plans, large):
    given = ([new_id()], [new_id()], [new_id()], [new_id()])
    many = large.transaction()  # of few people all are read at once, which takes less
    await many.start()
    try:
        await large.execute(
            "INSERT INTO people (id, name, email, role, locale, time_zone, active, created_at, changed_at)"
            " SELECT gen_random_uuid(), 'A', n || '@many.example.com', 'CUSTOMER', 'en', 'UTC', true, now(), now()"
            " FROM generate_series(1, 30000) n; ANALYZE people"
        )
        assert "people" not in await plans.of_statement(audiences._people, *given)
    finally:
        await many.rollback()
        await large.execute("VACUUM FULL ANALYZE people")


async def test_whose_cards_are_stale_is_found_by_an_index(plans, people):
    plans.statement(people["agent"], "{ tickets { nodes { requester { name } department { name } } } }", {})
    nodes = await plans.explained(plans.engine.cards.looking, ["2026-11-24T00:00:00Z"])
    assert "people_changed_at_idx" in {node.get("Index Name") for node in nodes}


FEEDS = {
    "events": "subscription ($id: ID!) { ticketEvents(ticketId: $id) { cursor node { seq at actor { name } } } }",
    "news": "subscription { notifications { cursor node { id title body } } }",
}


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_feeds(plans, people, large, viewer, name):
    row = await large.fetchrow("SELECT id FROM tickets ORDER BY id OFFSET 5000 LIMIT 1")
    variables = {"id": f"tkt_{row['id']}"} if name == "events" else {}
    stream = plans.engine.subscription(FEEDS[name], variables, None, people[viewer])
    side = "true," if name == "events" and viewer not in {"customer", "director"} else ""  # which they may be on
    for plan, place in ((stream.plans.now, None), (stream.plans.later, f"{mark(stream)},{side}3")):
        arguments = plan.form.alone.arguments(plan.values(stream.request._replace(payload=place)))
        assert not await plans.read_whole(plan.form.alone.sql, *arguments) & GROWING


def mark(stream):
    """What the cursors of a feed begin with."""
    return re.search(r"'\W?([0-9a-f]{8})", stream.plans.now.plain.alone.sql)[1]


async def test_whom_to_tell_of_an_escalation_is_found_among_few(plans):
    assert "people" not in await plans.of_statement(raising._over_all)
    assert "people" not in await plans.of_statement(raising._in_departments, [new_id()])


async def test_a_batch_that_is_looked_at_again_is_found_by_the_unresolved(large):
    prepared, values = prepare(waking._woken, (now(), waking.FIRST, None, None))
    found = await large.fetch(f"EXPLAIN {prepared.statement.text}", *prepared.statement.arguments(values))
    assert any("tickets_unresolved_idx" in row[0] for row in found)


ESCALATED = """query Escalated($filter: TicketFilter, $order: TicketOrder) {
  tickets(first: 50, filter: $filter, orderBy: $order) { totalCount nodes { id
  escalation { level escalatedTo { name } acknowledgedBy { name } }
  escalations(first: 5) { nodes { level rule { name } } } } } }"""


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_tickets_by_level(plans, people, viewer, field, direction):
    order = {"field": field.name, "direction": direction}
    filter_ = {"escalationLevels": ["TEAM_LEAD", "DIRECTOR"]}
    assert not await plans.of_query(people[viewer], ESCALATED, filter=filter_, order=order) & GROWING
    assert await plans.looked_at(people[viewer], ESCALATED, filter=filter_, order=order) < 2_000


THREAD = """query Thread($id: ID!) { ticket(id: $id) { comments(last: 10) { totalCount nodes { body author { name }
  emailStatus viewerCanEdit attachments { filename } } } } }"""


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_comments_of_a_ticket(plans, people, large, viewer):
    ticket_id = await large.fetchval("SELECT ticket_id FROM comments ORDER BY id OFFSET 5000 LIMIT 1")
    assert not await plans.of_query(people[viewer], THREAD, id=f"tkt_{ticket_id}") & GROWING


async def test_the_large_demo_tells_its_history_as_we_do(large):
    rows = await large.fetch("SELECT DISTINCT kind, array(SELECT jsonb_object_keys(data)) AS names FROM events")
    kinds = {row["kind"]: set(row["names"]) for row in rows}
    assert {kind: set(happenings.KINDS[kind].__slots__) - set(happenings.KINDS[kind].texts) for kind in kinds} == kinds
    assert await large.fetchval("SELECT count(*) FROM tickets") == TICKETS
    assert await large.fetchval(f"SELECT count(*) FROM {Event.__tablename__} WHERE kind = 'TicketSubmitted'") == TICKETS
    assert not await large.fetchval(
        "SELECT count(*) FROM tickets t WHERE last_seq <> (SELECT max(seq) FROM events WHERE ticket_id = t.id)"
    )


async def test_the_large_demo_is_made_once(large, server_url):
    await demo_large.seed(f"{server_url.rpartition('/')[0]}/plans", 10)
    assert await large.fetchval("SELECT count(*) FROM tickets") == TICKETS
