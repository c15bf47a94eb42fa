"""What is different in production: nobody may explore."""

import httpx
import pytest
from graphql import get_introspection_query

from web.app import App


@pytest.fixture
async def production(migrated):
    """The application as production has it."""
    app = App(migrated.model_copy(update={"embedded": False, "environment": "production", "introspection": False}))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")
    async with app.running(), client as http:
        yield http


@pytest.mark.parametrize("query", [get_introspection_query(), '{ __type(name: "Ticket") { name } }'])
async def test_the_schema_is_not_told(production, query):
    answer = await production.post("/graphql", json={"query": query})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert "data" not in answer.json()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ tickts { totalCount } }", {}),
        ("{ ticket(idd: 1) { id } }", {}),
        ("{ categories { nodes { nam } } }", {}),
        ("{ categories { nodes { ... on Categry { id } } } }", {}),
        ("{ tickets(filter: {statuses: [OPN]}) { totalCount } }", {}),
        ('mutation { signIn(input: {email: "a@b", password: "c", pasword: "d"}) { __typename } }', {}),
        ("query ($filter: TicketFilter) { tickets(filter: $filter) { totalCount } }", {"filter": {"txt": "a"}}),
        ("query ($of: TicketStatus!) { tickets(filter: {statuses: [$of]}) { totalCount } }", {"of": "OPN"}),
    ],
)
async def test_nobody_guesses_the_schema_by_what_may_have_been_meant(production, http, query, variables):
    asked = {"query": query, "variables": variables}
    answer, open_answer = [(await each.post("/graphql", json=asked)).text for each in (production, http)]

    assert "Did you mean" in open_answer
    assert '"errors"' in answer
    assert "Did you mean" not in answer


async def test_the_names_of_types_are_still_told(production):
    answer = await production.post("/graphql", json={"query": "{ __typename desk { __typename } }"})

    assert answer.json()["data"] == {"__typename": "Query", "desk": {"__typename": "Desk"}}


async def test_there_is_no_graphiql_and_no_mailbox(production):
    page = await production.get("/graphql", headers={"Accept": "text/html"})

    assert page.status_code in {400, 406}
    assert (await production.get("/mail")).status_code == 404
    home = await production.get("/", headers={"Accept-Language": "de"})
    assert (home.status_code, "fragen Programme Deskwire" in home.text) == (200, True)
    assert (await production.get("/graphiql/graphiql.min.js")).status_code == 404
