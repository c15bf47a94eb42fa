"""Changing what is known about a ticket, its state and its agent."""

import asyncio
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from domain import attempts
from domain.tickets import assigning, leaving, offering
from domain.tickets.actions import TicketAction
from models import Role
from resolvers import writing

REFUSED = """... on Refusal { message } ... on InvalidInput { field } ... on NotFound { field }
  ... on Conflict { reason current { id } missedEvents { __typename } }"""
TICKET = """ticket { id subject priority status resumesAt tags lastSeq viewerCan category { name } department { name }
  assignee { name } requester { name } service { name } triage { pending doneBy { name } } }"""
VERBS = ("updateTicket", "changeTicketStatus", "assignTicket", "triageTicket", "takeNextTicket")
DOCUMENTS = {
    verb: f"""mutation Do($input: {verb[0].upper()}{verb[1:]}Input!) {{ {verb}(input: $input) {{ __typename
  ... on {verb[0].upper()}{verb[1:]}Success {{ {TICKET} }} {REFUSED} }} }}"""
    for verb in VERBS
}
PROMISE = "mutation($input: SaveSlaPolicyInput!) { saveSlaPolicy(input: $input) { __typename } }"
MANY = f"""mutation Many($input: UpdateTicketsInput!) {{ updateTickets(input: $input) {{ __typename
  ... on UpdateTicketsSuccess {{ updated {{ id priority }} refused {{ ticketId refusal {{ __typename {REFUSED} }} }} }}
  {REFUSED} }} }}"""
HISTORY = """query History($id: ID!) { ticket(id: $id) { lastSeq viewerCan events(first: 100) { nodes { __typename seq
  actor { name } ... on SubjectChanged { fromSubject toSubject } ... on TagsChanged { addedTags removedTags }
  ... on CategoryChanged { fromCategory { name } toCategory { name } } ... on TicketTriaged { category { name } }
  ... on PriorityChanged { fromPriority toPriority } ... on ServiceChanged { toService { name } }
  ... on RequesterChanged { fromRequester { name } toRequester { name } }
  ... on TicketRouted { toDepartment { name } rule { name } }
  ... on TicketAssigned { fromAssignee { name } toAssignee { name } } } } } }"""


@pytest.fixture
def do(api, ticket):
    """Calls a mutation on the ticket, and gives what it answers."""

    async def done(viewer, verb, **given):
        given = given if verb == "takeNextTicket" else {"ticketId": ticket.gid} | given
        return (await api(viewer, DOCUMENTS[verb], input=given))[verb]

    return done


@pytest.fixture
def happened(api, ticket):
    """What happened to the ticket since a seq, as a viewer sees it."""

    async def found(viewer, since=2, gid=None):
        answer = (await api(viewer, HISTORY, id=gid or ticket.gid))["ticket"]
        return [
            node for node in answer["events"]["nodes"] if node["seq"] > since and node["__typename"] != "MessageSent"
        ]

    return found


async def put(database, ticket, **values):
    for name, value in values.items():
        kind = {"status": "text", "closed_at": "timestamptz"}.get(name, "text")
        await database.rows(f"UPDATE tickets SET {name} = CAST(:v AS {kind}) WHERE id = :id", v=value, id=ticket.uuid)


# --- Updating ---------------------------------------------------------------------------------------------------------


async def test_all_that_is_known_can_change(do, happened, house, ticket, agent, stranger):
    api_service = await house.service("API")

    answer = await do(
        agent, "updateTicket", subject=" Printer  melted", priority="URGENT", serviceId=api_service.gid,
        requesterId=stranger.gid, addTags=["Hot", "wet"],
    )  # fmt: skip

    found = answer["ticket"]
    assert (found["subject"], found["priority"], found["tags"]) == ("Printer  melted", "URGENT", ["hot", "wet"])
    assert (found["service"], found["requester"]) == ({"name": "API"}, {"name": stranger.name})
    events = await happened(agent)
    assert [event["__typename"] for event in events] == [
        "SubjectChanged", "PriorityChanged", "ServiceChanged", "RequesterChanged", "TagsChanged",
    ]  # fmt: skip
    assert {event["actor"]["name"] for event in events} == {agent.name}
    assert (events[0]["fromSubject"], events[0]["toSubject"]) == ("Printer on fire", "Printer  melted")
    again = await do(agent, "updateTicket", removeTags=["hot", "no"], addTags=["wet"], serviceId=None)
    assert (again["ticket"]["tags"], again["ticket"]["service"]) == (["wet"], None)
    assert "TagsChanged" not in str(await happened(stranger))


async def test_what_is_as_it_was_makes_no_event(do, happened, database, agent, ticket, problem, support, customer):
    before = await database.counts()

    answer = await do(
        agent, "updateTicket", subject="Printer on fire", priority="NORMAL", categoryId=problem.gid,
        departmentId=support.gid, requesterId=customer.gid, serviceId=None, addTags=[], removeTags=["x"],
    )  # fmt: skip

    assert answer["__typename"] == "UpdateTicketSuccess"
    assert await happened(agent) == []
    assert await database.counts() == before


async def test_a_subject_is_found_in_every_text_and_the_old_one_in_none(api, do, agent, ticket):
    add = """mutation A($input: AddCommentInput!) { addComment(input: $input) { __typename } }"""
    await api(agent, add, input={"ticketId": ticket.gid, "body": "replacement toner"})

    await do(agent, "updateTicket", subject="Zebra crossing", addTags=["lava"])

    async def found(text):
        answer = await api(agent, "query F($f: TicketFilter) { tickets(filter: $f) { totalCount } }", f={"text": text})
        return answer["tickets"]["totalCount"]

    for text in ("zebra", "zebra toner", '"replacement toner"', "zebra lava", "zebra burns"):
        assert await found(text) == 1, text
    assert await found("printer") == 0
    await do(agent, "updateTicket", removeTags=["lava"])
    assert await found("lava") == 0


async def test_another_category_routes_anew_and_the_answer_comes_though_sight_is_lost(
    do, happened, agent, billing_agent, invoices, ticket
):
    await do(agent, "assignTicket", assigneeId=agent.gid)

    answer = await do(agent, "updateTicket", categoryId=invoices.gid)

    assert (answer["ticket"]["department"], answer["ticket"]["assignee"]) == ({"name": "Billing"}, None)
    assert answer["ticket"]["tags"] == []
    events = await happened(billing_agent, 3)
    assert [event["__typename"] for event in events] == ["CategoryChanged", "TicketRouted", "TicketAssigned"]
    assert (events[1]["actor"], events[2]["toAssignee"]) == (None, None)
    assert (await do(agent, "updateTicket", priority="LOW"))["__typename"] == "NotFound"


async def test_an_assignee_who_works_there_stays(do, house, support, billing, ticket, agent, happened):
    both = await house.person("Bo Both", Role.AGENT, support, billing)
    await do(agent, "assignTicket", assigneeId=both.gid)

    answer = await do(both, "updateTicket", departmentId=billing.gid)

    assert (answer["ticket"]["assignee"], answer["ticket"]["department"]) == ({"name": both.name}, {"name": "Billing"})
    assert [event["__typename"] for event in await happened(both, 3)] == ["TicketRouted"]


async def test_requesters_change_the_subject_until_it_is_resolved(do, database, customer, ticket, agent):
    assert (await do(customer, "updateTicket", subject="Put out"))["ticket"]["subject"] == "Put out"
    before = await database.counts()
    assert (await do(customer, "updateTicket", priority="HIGH"))["__typename"] == "NotAllowed"
    await put(database, ticket, status="RESOLVED")
    assert (await do(customer, "updateTicket", subject="No"))["reason"] == "WRONG_STATE"
    assert (await do(agent, "updateTicket", subject="Put out"))["__typename"] == "UpdateTicketSuccess"
    await put(database, ticket, status="CLOSED")
    refused = await do(agent, "updateTicket", subject="No")
    assert (refused["reason"], refused["current"]) == ("WRONG_STATE", {"id": ticket.gid})
    assert await database.counts() == before


async def test_a_customer_does_not_write_a_history_without_end(api, monkeypatch, database, customer, agent, ticket):
    """Each way to say something anew counts as one of a few dozen an hour; those who work here are not held up."""
    monkeypatch.setattr(attempts, "CHANGE_BY_CUSTOMER", attempts.Limit("change:customer", 4, 60 * 60))
    add = """mutation { addComment(input: {ticketId: "%s", body: "It burns."}) {
      ... on AddCommentSuccess { comment { id } } } }"""
    comment_id = (await api(customer, add % ticket.gid))["addComment"]["comment"]["id"]
    ways = [
        f'updateTicket(input: {{ticketId: "{ticket.gid}", subject: "%s"}})',
        f'watchTicket(input: {{ticketId: "{ticket.gid}"}})',
        f'unwatchTicket(input: {{ticketId: "{ticket.gid}"}})',
        f'editComment(input: {{commentId: "{comment_id}", body: "%s"}})',
        f'deleteComment(input: {{commentId: "{comment_id}"}})',
    ]

    async def said(viewer, way, words):
        return await api.answer(viewer, f"mutation {{ {way.replace('%s', words)} {{ __typename }} }}")

    for way in ways[:4]:
        assert "errors" not in await said(customer, way, "anew")
    before = await database.counts()
    for way in (ways[0], ways[1], ways[3], ways[4]):
        answer = await said(customer, way, "once more")
        assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert "errors" not in await said(customer, ways[0], "anew")  # as it is already
    assert await database.counts() == before
    for words in "abcde":
        assert "errors" not in await said(agent, ways[0], words)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"subject": None}, "subject"),
        ({"subject": " "}, "subject"),
        ({"priority": None}, "priority"),
        ({"categoryId": None}, "categoryId"),
        ({"departmentId": None}, "departmentId"),
        ({"requesterId": None}, "requesterId"),
        ({"addTags": [f"t{n}" for n in range(21)]}, "addTags"),
        ({"addTags": ["a"], "removeTags": ["a"]}, "removeTags"),
        ({"categoryId": "cat_0193a000-0000-7000-8000-000000000000"}, "categoryId"),
        ({"departmentId": "dep_0193a000-0000-7000-8000-000000000000"}, "departmentId"),
        ({"serviceId": "svc_0193a000-0000-7000-8000-000000000000"}, "serviceId"),
        ({"requesterId": "per_0193a000-0000-7000-8000-000000000000"}, "requesterId"),
    ],
)
async def test_what_can_not_be(do, database, agent, given, field):
    before = await database.counts()

    answer = await do(agent, "updateTicket", **{"subject": "New", **given})

    assert (answer["__typename"] in {"InvalidInput", "NotFound"}, answer["field"]) == (True, field)
    assert await database.counts() == before


async def test_others_changes_conflict(do, agent, director, database):
    seen = (await do(agent, "updateTicket", subject="One"))["ticket"]["lastSeq"]
    await do(director, "updateTicket", priority="HIGH")
    before = await database.counts()

    answer = await do(agent, "updateTicket", subject="Two", ifSeq=seen)

    assert (answer["reason"], answer["missedEvents"]) == ("CHANGED_MEANWHILE", [{"__typename": "PriorityChanged"}])
    assert await database.counts() == before


@pytest.mark.parametrize("verb", ["updateTicket", "changeTicketStatus", "assignTicket"])
async def test_who_may_not_learns_nothing(do, api, database, house, stranger, billing_agent, ticket, verb):
    given = {"changeTicketStatus": {"status": "PENDING"}, "updateTicket": {"subject": "x"}}.get(verb, {})
    before = await database.counts()
    missing = {"ticketId": "tkt_0193a000-0000-7000-8000-000000000000"}
    for viewer in (stranger, billing_agent):
        answer = await do(viewer, verb, **given)
        assert answer["__typename"] == "NotFound"
        assert answer == await do(viewer, verb, **given, **missing)
    assert await api.refused(None, DOCUMENTS[verb], input={"ticketId": ticket.gid, **given}) == "UNAUTHENTICATED"
    assert await database.counts() == before


# --- State and agent --------------------------------------------------------------------------------------------------


async def test_a_ticket_is_moved_by_hand(do, happened, agent, customer, database):
    answer = await do(agent, "changeTicketStatus", status="ON_HOLD", resumesAt="2099-01-01T00:00:00Z", reason="Parts")
    assert (answer["ticket"]["status"], answer["ticket"]["resumesAt"]) == ("ON_HOLD", "2099-01-01T00:00:00.000Z")
    same = await do(agent, "changeTicketStatus", status="ON_HOLD", resumesAt="2099-01-01T00:00:00Z")
    assert same["ticket"]["lastSeq"] == answer["ticket"]["lastSeq"]
    before = await database.counts()
    for given in (
        {"status": "OPEN", "resumesAt": "2099-01-01T00:00:00Z"},
        {"status": "ON_HOLD", "resumesAt": "2020-01-01T00:00:00Z"},
    ):
        assert (await do(agent, "changeTicketStatus", **given))["field"] == "resumesAt"
    assert (await do(customer, "changeTicketStatus", status="OPEN"))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_ticket_is_given_taken_and_put_back(
    do, happened, house, support, agent, billing_agent, customer, ticket
):
    colleague = await house.person("Cora Colleague", Role.AGENT, support)
    assert (await do(agent, "assignTicket", assigneeId=colleague.gid))["ticket"]["assignee"]["name"] == colleague.name
    await do(agent, "assignTicket", assigneeId=colleague.gid)
    assert (await do(agent, "assignTicket", assigneeId=billing_agent.gid))["field"] == "assigneeId"
    assert (await do(agent, "assignTicket", assigneeId=customer.gid))["__typename"] == "InvalidInput"
    assert (await do(customer, "assignTicket"))["__typename"] == "NotAllowed"
    assert (await do(agent, "assignTicket"))["ticket"]["assignee"] is None
    assert [event["__typename"] for event in await happened(agent)] == ["TicketAssigned"] * 2


async def test_triage_finds_the_category(api, submit, happened, house, customer, agent, other, invoices, billing_agent):
    found = await submit(customer, other, otherTopic="My invoice")
    given = {"ticketId": found["id"], "categoryId": invoices.gid, "priority": "HIGH"}
    assert (await api(customer, DOCUMENTS["triageTicket"], input=given))["triageTicket"]["__typename"] == "NotAllowed"

    answer = (await api(agent, DOCUMENTS["triageTicket"], input=given))["triageTicket"]["ticket"]

    assert (answer["category"], answer["department"]) == ({"name": "Invoices"}, {"name": "Billing"})
    assert (answer["priority"], answer["triage"]) == ("HIGH", {"pending": False, "doneBy": {"name": agent.name}})
    kinds = [event["__typename"] for event in await happened(billing_agent, 2, found["id"])]
    assert kinds == ["TicketTriaged", "CategoryChanged", "PriorityChanged", "TicketRouted"]
    assert "TicketTriaged" not in str(await happened(customer, 0, found["id"]))
    again = (await api(billing_agent, DOCUMENTS["triageTicket"], input=given))["triageTicket"]
    assert again["reason"] == "WRONG_STATE"


async def test_whoever_finds_the_category_may_say_where_it_goes(
    api, submit, happened, customer, agent, other, problem, billing
):
    found = await submit(customer, other, otherTopic="Who repairs it?")
    given = {"ticketId": found["id"], "categoryId": problem.gid, "departmentId": billing.gid}

    answer = (await api(agent, DOCUMENTS["triageTicket"], input=given))["triageTicket"]["ticket"]

    assert (answer["category"], answer["department"]) == ({"name": problem.name}, {"name": "Billing"})
    assert answer["triage"]["pending"] is False


async def test_another_category_is_the_one_that_was_looked_for(api, submit, customer, agent, other, problem):
    """By whichever door it is given."""
    tickets = [(await submit(customer, other, otherTopic="What?"))["id"] for _ in range(2)]

    one = await api(agent, DOCUMENTS["updateTicket"], input={"ticketId": tickets[0], "categoryId": problem.gid})
    many = await api(agent, MANY, input={"ticketIds": tickets[1:], "categoryId": problem.gid})

    assert one["updateTicket"]["ticket"]["triage"] == {"pending": False, "doneBy": {"name": agent.name}}
    assert many["updateTickets"]["refused"] == []
    question = "query Q { tickets(filter: {needsTriage: true}) { totalCount } }"
    assert (await api(agent, question))["tickets"] == {"totalCount": 0}


async def test_what_a_ticket_can_not_become_changes_nothing(do, database, agent, ticket):
    await do(agent, "updateTicket", addTags=[f"tag {n}" for n in range(20)])
    before = await database.counts()

    assert (await do(agent, "updateTicket", requesterId=agent.gid, subject="Other"))["field"] == "requesterId"
    assert (await do(agent, "updateTicket", addTags=["one more"], subject="Other"))["field"] == "addTags"
    assert await database.counts() == before
    assert (await database.rows("SELECT subject FROM tickets")) == [{"subject": "Printer on fire"}]


async def test_the_next_ticket_is_the_most_pressing(do, database, submit, customer, agent, problem, ticket):
    urgent = await submit(customer, problem)
    await database.rows("UPDATE tickets SET priority_rank = 4 WHERE number = :n", n=urgent["number"])
    escalated = await submit(customer, problem)
    await database.rows("UPDATE tickets SET escalation_rank = 1 WHERE number = :n", n=escalated["number"])
    taken = [(await do(agent, "takeNextTicket", idempotencyKey=str(n)))["ticket"] for n in range(4)]
    assert [each and each["id"] for each in taken] == [escalated["id"], urgent["id"], ticket.gid, None]
    again = await do(agent, "takeNextTicket", idempotencyKey="1")
    assert again["ticket"]["id"] == urgent["id"]
    assert (await do(agent, "takeNextTicket", idempotencyKey="3"))["ticket"] is None


async def test_the_next_ticket_is_of_ones_own_departments_or_of_the_one_that_is_named(
    do, house, submit, customer, agent, problem, invoices, support, billing, ticket
):
    colleague = await house.person("Bea Both", Role.AGENT, support, billing)
    bill, later = await submit(customer, invoices), await submit(customer, problem)

    for viewer, given, expected in (
        (colleague, {"departmentId": billing.gid}, bill["id"]),
        (colleague, {"departmentId": billing.gid}, None),
        (colleague, {}, ticket.gid),
        (agent, {}, later["id"]),
    ):
        taken = (await do(viewer, "takeNextTicket", **given))["ticket"]
        assert (taken and taken["id"]) == expected
    await submit(customer, invoices)
    assert (await do(agent, "takeNextTicket"))["ticket"] is None


@pytest.mark.parametrize("promised", [False, True])
async def test_no_two_agents_take_the_same(
    api, house, support, submit, customer, agent, admin, problem, billing, promised
):
    """Nor if a target is promised for it, by whose clock it is looked at once more."""
    if promised:
        target = {"priority": "NORMAL", "firstResponseSeconds": 3600}
        await api(admin, PROMISE, input={"name": "Standard", "targets": [target]})
    agents = [await house.person(f"Agent {n}", Role.AGENT, support) for n in range(12)]
    tickets = {(await submit(customer, problem))["id"] for _ in range(30)}

    async def takes(viewer):
        found = []
        while (took := (await api(viewer, DOCUMENTS["takeNextTicket"], input={}))["takeNextTicket"])["ticket"]:
            found.append(took["ticket"]["id"])
        return found

    taken = [each for found in await asyncio.gather(*map(takes, agents)) for each in found]

    assert len(taken) == len(set(taken)) == 30
    assert set(taken) == tickets


async def test_taking_is_for_staff_in_their_departments_and_not_of_their_own(
    do, house, database, submit, customer, agent, billing, problem
):
    before = await database.counts()
    assert (await do(customer, "takeNextTicket"))["__typename"] == "NotAllowed"
    assert (await do(agent, "takeNextTicket", departmentId=billing.gid))["__typename"] == "NotAllowed"
    missing = "dep_0193a000-0000-7000-8000-000000000000"
    assert (await do(agent, "takeNextTicket", departmentId=missing))["field"] == "departmentId"
    assert await database.counts() == before
    await do(agent, "takeNextTicket")
    await submit(agent, problem)
    assert (await do(agent, "takeNextTicket"))["ticket"] is None


# --- Many -------------------------------------------------------------------------------------------------------------


async def test_many_change_each_for_itself(
    api, do, database, house, submit, customer, agent, problem, invoices, happened
):
    mine, closed, theirs = [await submit(customer, each) for each in (problem, problem, invoices)]
    await database.rows("UPDATE tickets SET status = 'CLOSED' WHERE number = :n", n=closed["number"])
    ids = [closed["id"], mine["id"], theirs["id"], mine["id"]]
    given = {"ticketIds": ids, "priority": "HIGH", "status": "PENDING", "assigneeId": agent.gid, "addTags": ["x"]}

    answer = (await api(agent, MANY, input=given | {"idempotencyKey": "k"}))["updateTickets"]

    assert answer["updated"] == [{"id": mine["id"], "priority": "HIGH"}]
    assert [each["ticketId"] for each in answer["refused"]] == [closed["id"], theirs["id"]]
    assert [each["refusal"]["__typename"] for each in answer["refused"]] == ["Conflict", "NotFound"]
    assert answer["refused"][1]["refusal"]["field"] == "ticketIds.2"
    before = await database.counts()
    assert (await api(agent, MANY, input=given | {"idempotencyKey": "k"}))["updateTickets"] == answer
    assert await database.counts() == before
    kinds = [event["__typename"] for event in await happened(agent, 2, mine["id"])]
    assert kinds == ["PriorityChanged", "TagsChanged", "TicketAssigned", "StatusChanged"]


async def test_a_refusal_in_the_middle_undoes_all_of_that_ticket(
    api, database, submit, customer, agent, director, problem, invoices
):
    tickets = [await submit(customer, each) for each in (problem, invoices, problem)]
    before = await database.counts()
    given = {"ticketIds": [each["id"] for each in tickets], "priority": "LOW", "assigneeId": agent.gid}

    answer = (await api(director, MANY, input=given))["updateTickets"]

    assert [each["id"] for each in answer["updated"]] == [tickets[0]["id"], tickets[2]["id"]]
    assert answer["refused"][0]["refusal"]["field"] == "assigneeId"
    rows = await database.rows("SELECT priority, last_seq FROM tickets ORDER BY number")
    assert [(row["priority"], row["last_seq"]) for row in rows] == [("LOW", 4), ("NORMAL", 2), ("LOW", 4)]
    assert (await database.counts())["events"] == before["events"] + 4


async def test_two_who_change_many_at_once_do_not_wait_for_each_other(
    api, halted, database, house, submit, customer, director, billing, problem, monkeypatch
):
    """Both need the agents that the tickets may go to, and one ticket that the other one needs as well."""
    monkeypatch.setattr(writing, "TRIES", 1)
    await database.rows("UPDATE departments SET assignment = 'LEAST_BUSY' WHERE id = :id", id=billing.id)
    await house.person("Bill Billing", Role.AGENT, billing)
    one, two, three = [(await submit(customer, problem))["id"] for _ in range(3)]

    def moved(*ids):
        return api(director, MANY, input={"ticketIds": ids, "departmentId": billing.gid})

    first = await halted(moved(one, two), "INSERT INTO availabilities")
    second = asyncio.create_task(moved(two, three))
    await asyncio.sleep(0.2)

    for answer in (await first(), await second):
        assert [len(answer["updateTickets"][name]) for name in ("updated", "refused")] == [2, 0]


async def test_many_is_for_staff_and_at_most_a_hundred(api, database, customer, agent, ticket):
    before = await database.counts()
    for viewer, given, kind in (
        (customer, {"ticketIds": [ticket.gid]}, "NotAllowed"),
        (agent, {"ticketIds": []}, "InvalidInput"),
        (agent, {"ticketIds": [ticket.gid] * 101}, "InvalidInput"),
        (agent, {"ticketIds": [ticket.gid], "priority": None}, "InvalidInput"),
        (agent, {"ticketIds": [ticket.gid], "status": None}, "InvalidInput"),
    ):
        assert (await api(viewer, MANY, input=given))["updateTickets"]["__typename"] == kind
    assert await database.counts() == before


@pytest.mark.parametrize(("field", "prefix"), [("categoryId", "cat"), ("departmentId", "dep"), ("assigneeId", "per")])
async def test_what_many_are_to_have_must_be_there(api, database, agent, ticket, field, prefix):
    before = await database.counts()
    given = {"ticketIds": [ticket.gid], field: f"{prefix}_0193a000-0000-7000-8000-000000000000", "priority": "HIGH"}

    answer = (await api(agent, MANY, input=given))["updateTickets"]

    assert answer["__typename"] == "NotFound"
    assert await database.counts() == before


# --- What the viewer can do -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["OPEN", "PENDING", "ON_HOLD", "RESOLVED", "CLOSED"])
async def test_buttons_and_mutations_agree(api, do, database, house, customer, agent, ticket, status):
    watcher = await house.person("Wanda Watcher")
    await database.rows("INSERT INTO watchers (ticket_id, person_id) VALUES (:t, :p)", t=ticket.uuid, p=watcher.id)
    comment = "mutation C($input: {0}Input!) {{ {1}(input: $input) {{ __typename ... on Conflict {{ reason }} }} }}"
    tries = {
        TicketAction.UPDATE: lambda viewer: do(viewer, "updateTicket", subject="Printer on fire"),
        TicketAction.ASSIGN: lambda viewer: do(viewer, "assignTicket"),
        TicketAction.CHANGE_STATUS: lambda viewer: do(
            viewer, "changeTicketStatus", status=status if status in {"OPEN", "PENDING", "ON_HOLD"} else "OPEN"
        ),
        TicketAction.TRIAGE: lambda viewer: do(
            viewer, "triageTicket", categoryId="cat_0193a000-0000-7000-8000-000000000000"
        ),
    }
    for viewer in (customer, agent, watcher):
        await put(database, ticket, status=status)
        can = (await api(viewer, HISTORY, id=ticket.gid))["ticket"]["viewerCan"]
        for action, attempt in tries.items():
            kind = (await attempt(viewer))["__typename"]
            assert (kind not in {"NotAllowed", "Conflict"}) == (action.name in can), (viewer.name, action)
        for name, verb in (("AddComment", "COMMENT"), ("AddInternalComment", "COMMENT_INTERNALLY")):
            text = comment.format(name, name[0].lower() + name[1:])
            answer = await api(viewer, text, input={"ticketId": ticket.gid, "body": "x"})
            assert next(iter(answer.values()))["__typename"].endswith("Success") == (verb in can), (viewer.name, verb)
            await put(database, ticket, status=status)


async def test_what_can_be_done_by_whom(api, database, customer, agent, director, ticket, stranger):
    async def can(viewer):
        found = (await api(viewer, HISTORY, id=ticket.gid))["ticket"]
        return set(found["viewerCan"])

    assert await can(customer) == {"COMMENT", "UPDATE", "CLOSE"}
    of_staff = {"COMMENT", "COMMENT_INTERNALLY", "UPDATE", "ASSIGN", "CHANGE_STATUS", "RESOLVE", "CLOSE", "ESCALATE"}
    assert await can(agent) == of_staff | {"LINK", "MANAGE_WATCHERS"}
    await database.rows("UPDATE tickets SET escalation_rank = 1")
    assert "SETTLE_ESCALATION" in await can(director)
    assert "SETTLE_ESCALATION" not in await can(agent)
    await database.rows(
        "UPDATE tickets SET status = 'CLOSED', resolved_at = now(), closed_at = now() - interval '29 days'"
    )
    assert await can(customer) == {"CONFIRM"}
    assert await can(agent) == {"COMMENT_INTERNALLY", "REOPEN", "LINK", "MANAGE_WATCHERS"}
    await database.rows("UPDATE tickets SET closed_at = now() - interval '31 days'")
    assert await can(customer) == set()


# --- Finding an agent -------------------------------------------------------------------------------------------------


@pytest.fixture
async def team(house, support, database):
    """Three agents of a department that assigns in turn."""
    people = [await house.person(f"Agent {n}", Role.AGENT, support) for n in range(3)]

    async def assigns(method, capacity=None):
        sql = "UPDATE departments SET assignment = :m, agent_capacity = :c WHERE id = :id"
        await database.rows(sql, m=method, c=capacity, id=support.id)

    async def who():
        rows = await database.rows(
            "SELECT p.name FROM tickets t LEFT JOIN people p ON p.id = t.assignee_id ORDER BY number"
        )
        return [row["name"] for row in rows]

    await assigns("ROUND_ROBIN")
    return SimpleNamespace(people=people, assigns=assigns, who=who)


async def test_agents_take_turns(team, submit, customer, problem):
    for _ in range(4):
        await submit(customer, problem)
    found = await team.who()
    assert (sorted(found[:3]), found[3]) == (["Agent 0", "Agent 1", "Agent 2"], found[0])


async def test_the_least_busy_is_next_and_the_absent_get_nothing(team, submit, customer, problem, database):
    await team.assigns("LEAST_BUSY")
    away = (
        "INSERT INTO availabilities (person_id, status, until) VALUES (:id, :status, now() + :in * interval '1 hour')"
    )
    await database.rows(away, id=team.people[0].id, status="AWAY", **{"in": 1})
    await database.rows(away, id=team.people[1].id, status="BUSY", **{"in": -1})  # over
    for _ in range(4):
        await submit(customer, problem)
    assert sorted(await team.who()) == ["Agent 1", "Agent 1", "Agent 2", "Agent 2"]


async def test_who_is_named_where_many_are_sent_has_them_and_nobody_else_did(
    team, api, submit, happened, database, director, customer, invoices, support
):
    """Nor has anybody lost their turn there, or hears of it."""
    found = await submit(customer, invoices)
    turns = "SELECT person_id, last_assigned_at FROM availabilities ORDER BY person_id"
    before = await database.rows(turns)
    named = team.people[-1]

    given = {"ticketIds": [found["id"]], "departmentId": support.gid, "assigneeId": named.gid}
    assert (await api(director, MANY, input=given))["updateTickets"]["refused"] == []

    events = await happened(director, gid=found["id"])
    assert [event["__typename"] for event in events] == ["TicketRouted", "TicketAssigned"]
    assert (await team.who())[-1] == named.name
    assert await database.rows(turns) == before


async def test_who_has_a_ticket_does_not_keep_it_where_they_do_not_work(
    team, api, submit, director, database, problem, billing, customer
):
    found = await submit(customer, problem)
    (before,) = await database.rows("SELECT assignee_id, department_id, last_seq FROM tickets")

    given = {"departmentId": billing.gid, "assigneeId": f"per_{before['assignee_id']}"}
    answer = (await api(director, MANY, input={"ticketIds": [found["id"]]} | given))["updateTickets"]

    assert [each["refusal"]["field"] for each in answer["refused"]] == ["assigneeId"]
    assert await database.rows("SELECT assignee_id, department_id, last_seq FROM tickets") == [before]


async def test_two_at_once_do_not_overfill(team, submit, customer, problem):
    await team.assigns("LEAST_BUSY", 2)
    await asyncio.gather(*(submit(customer, problem) for _ in range(12)))
    found = await team.who()
    assert {name: found.count(name) for name in set(found)} == {"Agent 0": 2, "Agent 1": 2, "Agent 2": 2, None: 6}


async def test_a_ticket_opened_again_goes_to_somebody_who_is_there(team, api, submit, customer, problem, database):
    found = await submit(customer, problem)
    (before,) = await team.who()
    await database.rows("UPDATE tickets SET status = 'RESOLVED', resolved_at = now()")
    await database.rows("UPDATE availabilities SET status = 'AWAY' WHERE person_id = (SELECT assignee_id FROM tickets)")

    await api(customer, ADD_COMMENT, input={"ticketId": found["id"], "body": "Again"})

    (after,) = await team.who()
    assert after not in {None, before}


async def test_who_is_free_again_is_offered_what_waits(
    team, api, work, desk, submit, director, customer, problem, database
):
    await team.assigns("LEAST_BUSY", 1)
    kept = [await submit(customer, problem) for _ in range(3)]
    assert sorted(await team.who()) == ["Agent 0", "Agent 1", "Agent 2"]
    _, urgent = [await submit(customer, problem) for _ in range(2)]
    await api(director, DOCUMENTS["updateTicket"], input={"ticketId": urgent["id"], "priority": "URGENT"})
    await api(director, DOCUMENTS["assignTicket"], input={"ticketId": kept[0]["id"], "assigneeId": None})

    await offering.sweep(desk)
    found = await team.who()
    assert found[0] is None  # what was put back by hand stays there
    assert (found[3], found[4] in {"Agent 0", "Agent 1", "Agent 2"}) == (None, True)
    before = await database.counts()
    await offering.sweep(desk)
    assert await database.counts() == before

    gone = found[4]
    await database.rows("UPDATE people SET active = false WHERE name = :name", name=gone)
    await database.rows("UPDATE departments SET agent_capacity = NULL")
    async with desk.writes.begin() as unit:
        leaving.leave(unit, None, (await database.rows("SELECT id FROM people WHERE name = :n", n=gone))[0]["id"])
    await work.run()
    await offering.sweep(desk)
    last = await team.who()
    assert len(last) == 5
    assert not {gone, None} & set(last)  # also what was put back: who had it is here no more


async def test_what_found_nobody_where_it_went_is_offered_there(
    team, house, api, desk, submit, director, customer, problem, billing, database
):
    """Also what somebody had, or had put back, where it was before."""
    had, back = [await submit(customer, problem) for _ in range(2)]
    await database.rows("UPDATE departments SET assignment = 'ROUND_ROBIN'")
    await api(director, DOCUMENTS["assignTicket"], input={"ticketId": back["id"], "assigneeId": None})
    for each in (had, back):
        await api(director, DOCUMENTS["updateTicket"], input={"ticketId": each["id"], "departmentId": billing.gid})
    assert await team.who() == [None, None]
    newcomer = await house.person("Bea Billing", Role.AGENT, billing)

    await offering.sweep(desk)

    assert await team.who() == [newcomer.name] * 2


async def test_what_a_customer_from_now_on_had_is_offered_to_others(
    team, api, work, desk, submit, admin, customer, problem, database
):
    await team.assigns("LEAST_BUSY", 1)
    for _ in range(3):
        await submit(customer, problem)
    become = "mutation ($i: UpdatePersonInput!) { updatePerson(input: $i) { __typename } }"
    await api(admin, become, i={"personId": team.people[0].gid, "role": "CUSTOMER"})
    await work.run()
    assert sorted(await team.who(), key=str) == ["Agent 1", "Agent 2", None]
    await team.assigns("LEAST_BUSY")

    await offering.sweep(desk)

    assert set(await team.who()) == {"Agent 1", "Agent 2"}


async def test_what_was_put_back_by_hand_holds_up_no_other(
    team, api, desk, submit, director, customer, problem, monkeypatch
):
    monkeypatch.setattr(offering, "LOOKED_AT", 2)
    await team.assigns("LEAST_BUSY", 1)
    kept = [await submit(customer, problem) for _ in range(3)]
    await submit(customer, problem)
    for each in kept[:2]:
        await api(director, DOCUMENTS["assignTicket"], input={"ticketId": each["id"], "assigneeId": None})

    await offering.sweep(desk)

    *put_back, third, last = await team.who()
    assert put_back == [None, None]
    assert None not in {third, last}


async def test_neither_a_ticket_that_fails_nor_a_department_without_agents_holds_up_others(
    team, house, desk, submit, customer, problem, database, monkeypatch
):
    await team.assigns("MANUAL")
    without, other = await house.department("Without agents"), await house.department("Other")
    for _ in range(9):
        await submit(customer, problem)
    await database.rows("UPDATE tickets SET department_id = :id", id=other.id)
    await database.rows("UPDATE tickets SET department_id = :id WHERE number % 2 = 0", id=without.id)
    await database.rows(
        "INSERT INTO memberships (person_id, department_id) VALUES (:p, :d)", p=team.people[0].id, d=other.id
    )
    await database.rows("UPDATE departments SET assignment = 'ROUND_ROBIN'")
    theirs = "SELECT id, assignee_id FROM tickets WHERE department_id = :id ORDER BY number"
    *failing, last = [row["id"] for row in await database.rows(theirs, id=other.id)]
    assert len(failing) >= offering.MISSES
    choose = assigning.choose

    async def chosen(unit, ticket):
        if ticket.id in failing:
            raise ValueError
        return await choose(unit, ticket)

    monkeypatch.setattr(assigning, "choose", chosen)
    with capture_logs() as logs:
        await offering.sweep(desk)

    assert [(log["event"], log["ticket"]) for log in logs] == [("unexpected_error", str(each)) for each in failing]
    given = await database.rows("SELECT id, assignee_id FROM tickets WHERE assignee_id IS NOT NULL")
    assert given == [{"id": last, "assignee_id": team.people[0].id}]


ADD_COMMENT = "mutation A($input: AddCommentInput!) { addComment(input: $input) { __typename } }"


@pytest.mark.parametrize("method", ["ROUND_ROBIN", "LEAST_BUSY"])
async def test_where_nobody_is_free_a_ticket_has_nobody(
    team, api, submit, director, customer, problem, database, method
):
    await team.assigns(method)
    for person in team.people:
        await database.rows(
            "INSERT INTO availabilities (person_id, status) VALUES (:id, :status)",
            id=person.id,
            status="BUSY" if person is team.people[0] else "AWAY",
        )
    await submit(customer, problem)
    await database.rows("UPDATE people SET active = false WHERE name LIKE 'Agent %'")
    await submit(customer, problem)
    await database.rows("DELETE FROM memberships")
    found = await submit(customer, problem)
    assert await team.who() == [None, None, None]
    moved = {"ticketIds": [found["id"]], "categoryId": problem.gid, "addTags": ["a"]}
    assert (await api(director, MANY, input=moved))["updateTickets"]["updated"]


async def test_a_ticket_opened_again_where_nobody_is_left_has_nobody(team, api, submit, customer, problem, database):
    found = await submit(customer, problem)
    assert (await team.who())[0] is not None
    await database.rows("UPDATE tickets SET status = 'RESOLVED', resolved_at = now()")
    await database.rows("UPDATE people SET active = false WHERE name LIKE 'Agent %'")
    answer = await api(customer, ADD_COMMENT, input={"ticketId": found["id"], "body": "Again"})
    assert answer["addComment"]["__typename"] == "AddCommentSuccess"
    assert await team.who() == [None]
