"""Lists of tickets by their SLA targets, which show them to those alone who work on the tickets."""

import pytest

from models import Role

LIST = """query ($filter: TicketFilter, $order: TicketOrder, $first: Int, $after: String) {
  tickets(filter: $filter, orderBy: $order, first: $first, after: $after) {
    totalCount nodes { subject } pageInfo { endCursor } } }"""


@pytest.fixture
async def three(submit, customer, problem, database):
    """A ticket that is due late, one that is due soon and missed another target, and one that is never due."""
    for subject, due, missed in (("late", "2030-01-02", False), ("soon", "2030-01-01", True), ("never", None, False)):
        await submit(customer, problem, subject=subject)
        await database.rows(
            "UPDATE tickets SET due_at = CAST(CAST(:due AS text) AS timestamptz),"
            " breached_at = CASE WHEN :missed THEN now() END WHERE subject = :subject",
            due=due,
            missed=missed,
            subject=subject,
        )


@pytest.fixture
async def watching(house, database, billing, three):
    """Somebody of another department, who sees the tickets as customers do."""
    person = await house.person("Wanda", Role.AGENT, billing)
    await database.rows("INSERT INTO watchers (ticket_id, person_id) SELECT id, :id FROM tickets", id=person.id)
    return person


@pytest.fixture
def listed(api):
    async def subjects(viewer, order=None, **filter_):
        order = {"field": order.split()[0], "direction": order.split()[1]} if order else None
        found, after = [], None
        while True:
            page = (await api(viewer, LIST, filter=filter_, order=order, first=1, after=after))["tickets"]
            if not page["nodes"]:
                assert page["totalCount"] == len(found)
                return found
            found.append(page["nodes"][0]["subject"])
            after = page["pageInfo"]["endCursor"]

    return subjects


async def test_they_are_ordered_by_what_is_due_next(three, listed, agent, director):
    for viewer in (agent, director):
        assert await listed(viewer, "DUE_AT ASC") == ["soon", "late", "never"]
        assert await listed(viewer, "DUE_AT DESC") == ["late", "soon", "never"]


async def test_filters(three, listed, agent, director):
    for viewer in (agent, director):
        assert await listed(viewer, breached=True) == ["soon"]
        assert await listed(viewer, breached=False) == ["never", "late"]
        for order in ("DUE_AT ASC", "UPDATED_AT DESC", "CREATED_AT ASC"):
            assert await listed(viewer, order, dueBefore="2030-01-01T00:00:00Z") == []
            assert await listed(viewer, order, dueBefore="2030-01-01T00:00:00.001Z") == ["soon"]
            assert await listed(viewer, order, dueBefore="2030-01-02T00:00:00.001Z", breached=False) == ["late"]
            assert await listed(viewer, order, dueBefore="2031-01-01T00:00:00Z", statuses=["CLOSED"]) == []
            assert await listed(viewer, order, dueBefore="2031-01-01T00:00:00Z", mine=True) == []


async def test_whoever_does_not_work_on_them_learns_nothing(watching, listed, customer):
    for viewer in (customer, watching):
        assert await listed(viewer, "DUE_AT ASC") == await listed(viewer, "DUE_AT DESC") == ["late", "soon", "never"]
        assert await listed(viewer, breached=True) == []
        assert await listed(viewer, "CREATED_AT ASC", breached=False) == ["late", "soon", "never"]
        assert await listed(viewer, dueBefore="2031-01-01T00:00:00Z") == []


async def test_cursors_tell_nothing(watching, api, customer, agent):
    order = {"field": "DUE_AT", "direction": "ASC"}

    async def cursor(viewer):
        return (await api(viewer, LIST, order=order, first=1))["tickets"]["pageInfo"]["endCursor"].partition(",")[2]

    assert await cursor(customer) == await cursor(watching) != await cursor(agent)
