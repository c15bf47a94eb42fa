"""What changes of tickets, queues and lists of people read is found by indexes."""

import pytest
from large_desk import GROWING, KEPT, VIEWERS

from domain import attachments, attempts, deadlines, editing, reindexing, tickets
from domain.access import Viewer
from domain.articles import reviewing
from domain.tickets import assigning, deserted, handling, leaving, linking, rerouting, search, watching
from infra.ids import new_id
from infra.unit import now
from models import Role, Ticket

AGENT, DIRECTOR = Viewer(Role.AGENT, new_id()), Viewer(Role.DIRECTOR, new_id())
QUEUE = """query Q($id: ID) { queue(departmentId: $id) { openCount unassignedCount mineCount triageCount pendingCount
  onHoldCount escalatedCount atRiskCount breachedCount longestWaitingSince availableAgentCount } }"""
THEIRS = """query T($id: ID!) { node(id: $id) { ... on Person { availability { status assignedCount }
  requestedTickets(first: 20) { nodes { subject } } assignedTickets(first: 20) { nodes { subject } } } } }"""
PEOPLE = """query P($filter: PersonFilter, $order: PersonOrder) { people(filter: $filter, orderBy: $order) {
  nodes { name } pageInfo { hasNextPage } } }"""
TOGETHER = """query T($id: ID!) { ticket(id: $id) { viewerCan links { kind ticket { subject } } mergedInto { id }
  mergedTickets { nodes { id } } presence { people { activity } } } }"""


@pytest.mark.parametrize("viewer", ["agent", "lead of few", "director"])
async def test_queues(plans, people, large, viewer):
    department_id = await large.fetchval("SELECT department_id FROM memberships LIMIT 1")
    assert not await plans.of_query(people[viewer], QUEUE) & GROWING
    assert not await plans.of_query(people[viewer], QUEUE, id=f"dep_{department_id}") & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_tickets_of_a_person_and_what_belongs_to_one(plans, people, large, viewer):
    for name in ("agent", "customer"):
        assert not await plans.of_query(people[viewer], THEIRS, id=f"per_{people[name].id}") & GROWING
    ticket_id = await large.fetchval("SELECT id FROM tickets ORDER BY id OFFSET 5000 LIMIT 1")
    assert not await plans.of_query(people[viewer], TOGETHER, id=f"tkt_{ticket_id}") & GROWING


@pytest.mark.parametrize("asked", [{}, {"actorId"}, {"subjectId"}, {"actions"}, {"within"}, {"actorId", "actions"}])
async def test_the_audit_log(plans, people, asked):
    admin, customer = people["director"], f"per_{people['customer'].id}"
    admin = Viewer(Role.ADMIN, admin.id)
    every = {
        "actorId": customer,
        "subjectId": customer,
        "actions": ["action1"],
        "within": {"to": "2026-01-01T00:00:00Z"},
    }
    text = """query A($filter: AuditFilter) { auditEntries(filter: $filter) {
      nodes { summary actor { name } subject { id } changes { field } } pageInfo { hasNextPage } } }"""
    assert not await plans.of_query(admin, text, filter={name: every[name] for name in asked}) & GROWING


@pytest.mark.parametrize("field", ["NAME", "CREATED_AT", "LAST_SEEN_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_people(plans, people, field, direction):
    order = {"field": field, "direction": direction}
    assert "people" not in await plans.of_query(people["agent"], PEOPLE, order=order)


async def test_people_are_found_by_their_words(plans, people):
    sql, arguments = plans.statement(people["agent"], PEOPLE, {"filter": {"text": "customer20 large"}})
    nodes = await plans.explained(sql, arguments)
    assert "people_words_idx" in {node.get("Index Name") for node in nodes}


@pytest.mark.parametrize(
    ("build", "arguments", "lock"),
    [
        (handling._waiting, (AGENT, None, 20), False),
        (handling._waiting, (DIRECTOR, None, 20), False),
        (handling._waiting, (AGENT, new_id(), 20), False),
        (assigning._loads, ([new_id(), new_id()],), False),
        (assigning._absent, (new_id(), new_id()), False),
        (search._reworded, (new_id(), "Subject"), False),
        (search._moved, ([new_id()], new_id(), "Subject"), False),
        (search._forgotten, (new_id(), True), False),
        (search._kept, ([new_id()] * 100,), False),
        (reindexing._some, (Ticket, new_id(), reindexing.BATCH), True),
        (editing._files, (new_id(),), True),
        (editing._reasons, (new_id(), new_id(), now(), ""), False),
        (attachments._naming, (new_id(), new_id(), "key"), False),
        (watching._watcher, (new_id(), new_id()), True),
        (tickets.some, (AGENT, [new_id(), new_id()]), True),
        (linking._links_between, (new_id(), new_id()), True),
        (linking._move_comments, ([new_id()], new_id()), False),
        (linking._move_files, ([new_id()], new_id()), False),
        (watching._watchers, ([new_id()],), False),
        (watching._follow, ([new_id()], new_id()), False),
        (watching._of_person, ([new_id()] * 500, new_id()), True),
        (leaving._theirs, (new_id(), new_id(), leaving.BATCH), True),
        (deserted._deserted, (new_id(), new_id(), deserted.BATCH), True),
        (rerouting._unresolved_in, (new_id(), new_id(), rerouting.BATCH), True),
        (linking._first_answer, ([new_id()], now(), new_id()), False),
        (reviewing._open_of, (new_id(),), True),
        (deadlines._here, ([new_id()],), False),
        (attempts._less, ("key", now()), False),
    ],
    ids=lambda value: f"{value.__module__}.{value.__name__}" if callable(value) else None,
)
async def test_statements_of_changes(plans, build, arguments, lock):
    assert not await plans.of_statement(build, *arguments, lock=lock) & (GROWING | KEPT | {"people"})
