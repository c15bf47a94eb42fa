"""One statement for each read, however much it asks for."""

import asyncio

import pytest

READS = {
    "one ticket with all that hangs on it": """query ($id: ID!) { ticket(id: $id) {
        subject category { name department { name } } requester { departments { name } } assignee { name }
        events { nodes { __typename seq actor { name } ... on TicketRouted { rule { name } } } }
        attachments { totalCount nodes { filename url } } watchers { nodes { name } } triage { topic doneBy { name } }
        viewerIsWatching viewerUnreadCount } }""",
    "a page and its neighbours": """query ($id: ID!) {
        tickets(first: 50) { totalCount pageInfo { hasNextPage endCursor }
            edges { cursor node { subject requester { name } assignee { name } department { name } } } }
        viewer { person { name } can unread { count } notifications { nodes { title subject { __typename } } } }
        categories { nodes { name } } desk { name } again: ticket(id: $id) { number } }""",
    "anything by its id": """query ($id: ID!) { node(id: $id) { __typename ... on Ticket { subject } }
        nodes(ids: [$id]) { id ... on Ticket { events { totalCount } } } }""",
}


@pytest.mark.parametrize("query", READS.values(), ids=READS)
async def test_a_query_is_one_statement_whoever_asks(api, ticket, customer, agent, director, statements, query):
    for viewer in (customer, agent, director):
        counts = []
        for _ in range(5):  # at first people and departments are not known, and who is new is looked up anew at times
            statements.clear()
            await api(viewer, query, id=ticket.gid)
            counts.append(len(statements))
        assert min(counts) == 1


async def test_what_is_refused_costs_no_more_than_what_is_there(api, ticket, stranger, statements):
    unseen = await api(stranger, READS["one ticket with all that hangs on it"], id=ticket.gid)
    missing = await api(
        stranger, READS["one ticket with all that hangs on it"], id=f"tkt_{'0' * 8}-0000-7000-8000-{'0' * 12}"
    )

    assert unseen == missing == {"ticket": None}
    assert len(statements) == 2


BY_KEY = {
    "a ticket": ("query ($id: ID!) { ticket(id: $id) { subject tags requester { name email } } }", "ticket"),
    "a person": ("query ($id: ID!) { node(id: $id) { id ... on Person { name email active } } }", "customer"),
    "a ticket by node": (READS["anything by its id"], "ticket"),
}


@pytest.mark.parametrize(("query", "what"), BY_KEY.values(), ids=BY_KEY)
async def test_reads_by_key_that_wait_together_share_statements(
    api, ticket, customer, agent, director, statements, query, what
):
    wanted = {"ticket": ticket, "customer": customer}[what].gid
    for viewer in (customer, agent, director):
        alone = await api(viewer, query, id=wanted)
        statements.clear()

        together = await asyncio.gather(*(api(viewer, query, id=wanted) for _ in range(24)))

        assert together == [alone] * 24
        if "nodes(" not in query:  # a list is asked for by itself
            assert len(statements) < 8
