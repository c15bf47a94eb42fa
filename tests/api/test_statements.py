"""One statement for each read, however much it asks for."""

import pytest

from infra.postgres import Connection

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


@pytest.fixture
def statements(monkeypatch):
    """The statements that reads send from now on."""
    sent = []
    fetch = Connection.fetch

    async def counted(self, sql, arguments):
        sent.append(sql)
        return await fetch(self, sql, arguments)

    monkeypatch.setattr(Connection, "fetch", counted)
    return sent


@pytest.mark.parametrize("query", READS.values(), ids=READS)
async def test_a_query_is_one_statement_whoever_asks(api, ticket, customer, agent, director, statements, query):
    for viewer in (customer, agent, director):
        statements.clear()

        await api(viewer, query, id=ticket.gid)

        assert len(statements) == 1


async def test_what_is_refused_costs_no_more_than_what_is_there(api, ticket, stranger, statements):
    unseen = await api(stranger, READS["one ticket with all that hangs on it"], id=ticket.gid)
    missing = await api(
        stranger, READS["one ticket with all that hangs on it"], id=f"tkt_{'0' * 8}-0000-7000-8000-{'0' * 12}"
    )

    assert unseen == missing == {"ticket": None}
    assert len(statements) == 2
