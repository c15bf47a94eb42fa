"""Tickets in lists: filtered, ordered and in pages; one by its number, and all that hangs on it."""

import datetime as dt
import itertools
import json
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select

import models
from models import Role, TicketChannel, TicketPriority, TicketStatus

LIST = """query (
  $filter: TicketFilter, $orderBy: TicketOrder, $first: Int, $after: String, $last: Int, $before: String
) { tickets(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { subject } }
    nodes { subject } } }"""
WHOLE = """query ($id: ID!) { ticket(id: $id) {
  comments { totalCount nodes { body attachments { filename } } } attachments { totalCount nodes { filename } }
  events { totalCount nodes { __typename } } escalation { level } escalations { totalCount nodes { level endedAt } }
  watchers { totalCount nodes { name } } links { kind } mergedTickets { totalCount nodes { number } }
  resolution { summary rating } viewerUnreadCount } }"""
DONE = """mutation ($id: ID!, $other: ID!, $gone: ID!, $person: ID!, $files: [ID!]!) {
  addComment(input: {ticketId: $id, body: "It burns on.", uploadIds: $files}) { __typename }
  addInternalComment(input: {ticketId: $id, body: "It does."}) { __typename }
  watchTicket(input: {ticketId: $id, personId: $person}) { __typename }
  linkTickets(input: {ticketId: $id, otherTicketId: $other}) { __typename }
  mergeTickets(input: {intoTicketId: $id, ticketIds: [$gone]}) { __typename }
  escalateTicket(input: {ticketId: $id, reason: "It burns on."}) { __typename }
  resolveTicket(input: {ticketId: $id, summary: "Water."}) { __typename } }"""
NOWHERE = "00000000-0000-7000-8000-000000000000"


def day(number):
    """A moment in January."""
    return dt.datetime(2026, 1, number, 12, tzinfo=dt.UTC)


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
async def scene(desk, house, database, submit, support, billing, problem, invoices, other, customer, agent):
    """Six tickets, A to F in order of submission, that an agent of the department sees, and one that they don't."""
    found = SimpleNamespace(agent=agent, customer=customer, support=support, billing=billing, problem=problem)
    found.second = await house.person("Carl Customer")
    found.lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    found.mail, found.other = await house.service("Mail"), other
    await submit(found.second, invoices, subject="Hidden")
    tickets = {}
    for name, requester, given in (
        ("A", customer, {"category": problem, "priority": "HIGH", "serviceId": found.mail.gid}),
        ("B", customer, {"category": problem, "priority": "LOW"}),
        ("C", found.second, {"category": problem}),
        ("D", found.second, {"category": problem, "priority": "HIGH"}),
        ("E", customer, {"category": other, "otherTopic": "Something"}),
        ("F", customer, {"category": other, "otherTopic": "Something else"}),
    ):
        ticket = await submit(requester, given.pop("category"), subject=name, **given)
        tickets[name] = UUID(ticket["id"].removeprefix("tkt_"))
    # created, updated, waiting since; tags; the rest of what tells them apart
    changes = {
        "A": (1, 6, 3, ["vip"], {"assignee_id": agent.id}),
        "B": (1, 6, 1, ["vip", "slow"], {"status": TicketStatus.PENDING}),
        "C": (2, 5, None, [], {"status": TicketStatus.RESOLVED, "assignee_id": found.lead.id}),
        "D": (3, 5, 3, ["slow"], {"channel": TicketChannel.EMAIL}),
        "E": (3, 4, None, [], {"status": TicketStatus.CLOSED, "triage_pending": False}),
        "F": (3, 4, 2, [], {"priority": TicketPriority.URGENT, "priority_rank": 4}),
    }
    async with desk.writes.begin() as unit:
        for name, (created, updated, waiting, tags, rest) in changes.items():
            row = await unit.lock(one, tickets[name])
            waiting_since = day(waiting) if waiting else None
            moments = {"created_at": day(created), "updated_at": day(updated), "public_updated_at": day(updated)}
            unit.change(row, waiting_since=waiting_since, tags=tags, **moments, **rest)
        unit.insert(models.Watcher, ticket_id=tickets["D"], person_id=agent.id)
    return found


@pytest.fixture
def listed(api, scene):
    """The subjects of the tickets that the agent lists, one after another."""

    async def subjects(viewer=None, **variables):
        page = (await api(viewer or scene.agent, LIST, **variables))["tickets"]
        assert [edge["node"] for edge in page["edges"]] == page["nodes"]
        return "".join(node["subject"] for node in page["nodes"])

    return subjects


def filters(scene):
    """Each condition of a filter, and which tickets it holds for."""
    return {
        "statuses": (["OPEN", "PENDING"], "ABDF"),
        "priorities": (["HIGH", "URGENT"], "ADF"),
        "categoryIds": ([scene.other.gid, f"cat_{NOWHERE}"], "EF"),
        "departmentIds": ([scene.support.gid], "ABCDEF"),
        "serviceIds": ([scene.mail.gid], "A"),
        "requesterIds": ([scene.second.gid], "CD"),
        "assigneeIds": ([scene.agent.gid, scene.lead.gid], "AC"),
        "unassigned": (True, "BDEF"),
        "mine": (True, "AD"),
        "needsTriage": (True, "F"),
        "tags": (["VIP", 'un"kn{ö}wn\\', "NULL"], "AB"),
        "channels": (["EMAIL"], "D"),
        "created": ({"from": "2026-01-02T12:00:00Z"}, "CDEF"),
        "updated": ({"from": "2026-01-05T12:00:00Z", "to": "2026-01-06T12:00:00Z"}, "CD"),
    }


async def test_each_condition_holds_alone_and_with_each_other_one(api, scene):
    known = filters(scene)
    for first, second in itertools.combinations_with_replacement(known, 2):
        expected = set(known[first][1]) & set(known[second][1])
        asked = {first: known[first][0], second: known[second][0]}

        page = (await api(scene.agent, LIST, filter=asked))["tickets"]

        assert {node["subject"] for node in page["nodes"]} == expected, asked
        assert page["totalCount"] == len(expected), asked


async def test_what_a_list_names_twice_counts_once(api, scene, director, admin):
    for name, (values, _) in filters(scene).items():
        if not isinstance(values, list):
            continue
        twice = [*values, *values]
        enums = name in {"statuses", "priorities", "channels"}
        said = f"[{', '.join(twice)}]" if enums else json.dumps(twice)
        literal = LIST.replace("$filter: TicketFilter, ", "").replace("filter: $filter", f"filter: {{{name}: {said}}}")
        for viewer in (scene.agent, director, admin):
            once = await api(viewer, LIST, filter={name: values})
            assert once["tickets"]["totalCount"] == len(once["tickets"]["nodes"]) > 0
            assert await api(viewer, LIST, filter={name: twice}) == once, (name, viewer.name)
            assert await api(viewer, literal) == once, (name, viewer.name)


async def test_a_condition_that_is_false_holds_for_all_the_others(listed):
    for name, expected in (("unassigned", "AC"), ("mine", "BCEF"), ("needsTriage", "ABCDE")):
        assert sorted(await listed(filter={name: False})) == list(expected), name


async def test_open_ends_null_and_empty_lists_mean_what_they_say(listed, scene):
    for asked, expected in (
        ({}, "ABCDEF"),
        ({"statuses": None, "tags": None, "mine": None, "created": None}, "ABCDEF"),
        ({"created": {}}, "ABCDEF"),
        ({"created": {"to": "2026-01-02T12:00:00Z"}}, "AB"),
        ({"created": {"from": "2026-01-03T13:00:00+01:00"}}, "DEF"),
        ({"created": {"from": "2026-01-03T12:00:00.001Z"}}, ""),
        ({"statuses": []}, ""),
        ({"tags": []}, ""),
        ({"assigneeIds": []}, ""),
        ({"departmentIds": [scene.billing.gid]}, ""),
    ):
        assert sorted(await listed(filter=asked)) == list(expected), asked


@pytest.mark.parametrize(
    "asked",
    [
        {"categoryIds": [f"cat_{NOWHERE}"] * 51},
        {"tags": ["x"] * 51},
        {"tags": ["x", "y" * 51]},
        {"categoryIds": [f"dep_{NOWHERE}"]},
        {"assigneeIds": ["nonsense"]},
        {"created": {"from": "yesterday"}},
        {"statuses": ["UNKNOWN"]},
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(api, scene, asked):
    answer = await api.answer(scene.agent, LIST, filter=asked)

    assert not (answer.get("data") or {}).get("tickets")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]


ORDERS = {
    ("CREATED_AT", "ASC"): "ABCDEF",
    ("CREATED_AT", "DESC"): "DEFCAB",
    ("UPDATED_AT", "ASC"): "EFCDAB",
    ("UPDATED_AT", "DESC"): "ABCDEF",
    ("PRIORITY", "ASC"): "BCEADF",
    ("PRIORITY", "DESC"): "FADCEB",
    ("WAITING_SINCE", "ASC"): "BFADCE",
    ("WAITING_SINCE", "DESC"): "ADFBCE",
}


@pytest.mark.parametrize(("field", "direction"), ORDERS)
async def test_equal_ones_stand_in_order_of_submission(api, scene, listed, field, direction):
    order, expected = {"field": field, "direction": direction}, ORDERS[field, direction]
    assert await listed(orderBy=order) == expected

    for size in (1, 2, 4):
        walked, before, cursors = "", None, []
        asked = {"first": size}
        while asked:
            page = (await api(scene.agent, LIST, orderBy=order, **asked))["tickets"]
            walked += "".join(node["subject"] for node in page["nodes"])
            cursors += [edge["cursor"] for edge in page["edges"]]
            info = page["pageInfo"]
            assert (page["totalCount"], info["hasPreviousPage"]) == (6, "after" in asked)
            assert (info["startCursor"], info["endCursor"]) == (page["edges"][0]["cursor"], cursors[-1])
            asked = {"first": size, "after": info["endCursor"]} if info["hasNextPage"] else None
        assert walked == expected

        walked, asked = "", {"last": size}
        while asked:
            page = (await api(scene.agent, LIST, orderBy=order, **asked))["tickets"]
            walked = "".join(node["subject"] for node in page["nodes"]) + walked
            assert page["pageInfo"]["hasNextPage"] == ("before" in asked)
            before = page["pageInfo"]["startCursor"]
            asked = {"last": size, "before": before} if page["pageInfo"]["hasPreviousPage"] else None
        assert walked == expected
        assert len(set(cursors)) == 6


async def test_what_changed_last_comes_first_unless_asked_otherwise(listed, scene):
    assert await listed() == "ABCDEF"
    assert await listed(scene.customer) == "ABEF"


async def test_a_page_may_lie_between_two_cursors(api, scene, listed):
    cursors = [edge["cursor"] for edge in (await api(scene.agent, LIST))["tickets"]["edges"]]

    assert await listed(after=cursors[0], before=cursors[4]) == "BCD"
    assert await listed(after=cursors[0], before=cursors[4], first=2) == "BC"
    assert await listed(after=cursors[0], before=cursors[4], last=2) == "CD"
    assert await listed(after=cursors[3], before=cursors[3]) == ""
    page = (await api(scene.agent, LIST, after=cursors[5]))["tickets"]
    assert page == {
        "totalCount": 6,
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
        "edges": [],
        "nodes": [],
    }


async def test_a_page_that_makes_no_sense_is_refused_and_its_neighbours_answer(api, scene):
    (first, *_) = (await api(scene.agent, LIST))["tickets"]["edges"]
    priority = {"field": "PRIORITY", "direction": "ASC"}
    neighbour = (
        LIST.replace("query (", "query Q(", 1)[:-1] + " desk { version } again: tickets(first: 1) { totalCount } }"
    )
    for asked in (
        {"first": 0},
        {"last": 0},
        {"first": -1},
        {"first": 101},
        {"last": 101},
        {"first": 1, "last": 1},
        {"after": ""},
        {"after": "nonsense"},
        {"before": first["cursor"] + "x"},
        {"after": first["cursor"], "orderBy": priority},
        {"before": first["cursor"], "orderBy": priority | {"field": "CREATED_AT"}},
    ):
        answer = await api.answer(scene.agent, neighbour, **asked)

        assert answer["data"]["tickets"] is None, asked
        assert (answer["data"]["desk"] is not None, answer["data"]["again"]) == (True, {"totalCount": 6})
        assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
            (["tickets"], "BAD_REQUEST")
        ], asked
    assert len((await api(scene.agent, LIST, first=100))["tickets"]["nodes"]) == 6


async def test_a_ticket_is_found_by_its_number_by_who_sees_it(api, scene, ticket, stranger):
    query = "query ($number: Int!) { ticketByNumber(number: $number) { id number } }"

    for viewer in (scene.customer, scene.agent):
        assert await api(viewer, query, number=ticket.number) == {
            "ticketByNumber": {"id": ticket.gid, "number": ticket.number}
        }
    for number in (ticket.number, 999_999, 0, -1, 2**31 - 1):
        assert await api(stranger, query, number=number) == {"ticketByNumber": None}
    assert await api.refused(None, query, number=ticket.number) == "UNAUTHENTICATED"


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**30, 1.5, "1001", None])
async def test_what_is_no_number_is_refused(api, customer, number):
    query = "query ($number: Int!) { ticketByNumber(number: $number) { id } }"

    answer = await api.answer(customer, query, number=number)

    assert not answer.get("data")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]


async def test_what_hangs_on_a_ticket_hangs_on_no_other(
    api, submit, uploaded, work, customer, stranger, agent, problem, ticket
):
    fresh, other, gone = [(await submit(customer, problem))["id"] for _ in range(3)]
    say = "mutation ($said: AddCommentInput!) { addComment(input: $said) { __typename } }"
    for gid, files in ((fresh, [await uploaded(customer)]), (ticket.gid, [])):
        await api(customer, say, said={"ticketId": gid, "body": "And here?", "uploadIds": files})
    escalate = 'mutation ($id: ID!) { escalateTicket(input: {ticketId: $id, reason: "Look."}) { __typename } }'
    await api(agent, escalate, id=fresh)
    await work.run()
    before = {who.id: [await api(who, WHOLE, id=gid) for gid in (fresh, ticket.gid)] for who in (customer, agent)}

    files = [await uploaded(agent)]
    done = await api(agent, DONE, id=ticket.gid, other=other, gone=gone, person=stranger.gid, files=files)

    assert [each["__typename"].endswith("Success") for each in done.values()] == [True] * len(done), done
    await work.run()
    for who in (customer, agent):
        untouched, changed = before[who.id]
        assert await api(who, WHOLE, id=fresh) == untouched
        found = (await api(who, WHOLE, id=ticket.gid))["ticket"]
        same = {name for name, value in found.items() if value == changed["ticket"][name]}
        assert same == ({"escalation"} if who is customer else {"escalation", "viewerUnreadCount"})
        (first, second, *_) = found["comments"]["nodes"]
        assert (first["attachments"], second["attachments"]) == ([], [{"filename": "cat.png"}])
