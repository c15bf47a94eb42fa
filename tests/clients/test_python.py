"""gql, the client for Python, over HTTP and a socket."""

import asyncio
from uuid import uuid4

import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

PATIENCE_SECONDS = 10

SIGN_IN = gql("""mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignInSuccess { session { accessToken } } } }""")
CATEGORIES = gql("{ categories(first: 10) { nodes { id name } } viewer { person { name } } }")
SUBMIT = gql("""mutation ($input: SubmitTicketInput!) {
  submitTicket(input: $input) { __typename ... on SubmitTicketSuccess { ticket { id subject } } } }""")
COMMENT = gql("mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }")
WATCH = gql("subscription ($id: ID!) { ticketUpdated(id: $id) { subject lastSeq } }")


def asked(request, **variables):
    """An operation with its variables."""
    return GraphQLRequest(request.document, variable_values=variables)


def over_http(live_server, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client(transport=HTTPXAsyncTransport(f"{live_server}/graphql", headers=headers))


@pytest.fixture(scope="module")
async def token(live_server):
    async with over_http(live_server) as session:
        credentials = {"email": "other.customer@example.com", "password": "deskwire-demo"}
        answer = await session.execute(asked(SIGN_IN, input=credentials))
    return answer["signIn"]["session"]["accessToken"]


async def test_over_http(live_server, token):
    async with Client(
        transport=HTTPXAsyncTransport(f"{live_server}/graphql"), fetch_schema_from_transport=True
    ) as made:
        assert made.client.schema.subscription_type.name == "Subscription"  # read by introspection

    async with over_http(live_server, token) as session:
        seen = await session.execute(CATEGORIES)
        assert seen["viewer"]["person"]["name"] == "Otto Other"
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql("{ nonsense }"))
        assert refused.value.errors[0]["extensions"]["code"] == "BAD_REQUEST"


async def test_over_a_socket(live_server, token):
    address = live_server.replace("http", "ws") + "/graphql"
    payload = {"authorization": f"Bearer {token}"}
    transport = WebsocketsTransport(
        address, init_payload=payload, subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    )
    async with asyncio.timeout(PATIENCE_SECONDS), Client(transport=transport) as session:
        categories = (await session.execute(CATEGORIES))["categories"]["nodes"]
        (category,) = [each["id"] for each in categories if each["name"] == "Technical problem"]
        subject = f"By gql {uuid4()}"
        given = {"subject": subject, "body": "It burns.", "categoryId": category}
        submitted = (await session.execute(asked(SUBMIT, input=given)))["submitTicket"]["ticket"]
        seen = []
        async for item in session.subscribe(asked(WATCH, id=submitted["id"])):
            seen.append(item["ticketUpdated"])
            if len(seen) == 2:
                break
            given = {"ticketId": submitted["id"], "body": "Is anybody there?"}
            await session.execute(asked(COMMENT, input=given))
        assert [each["subject"] for each in seen] == [subject, subject]
        assert seen[0]["lastSeq"] < seen[1]["lastSeq"]
        assert (await session.execute(CATEGORIES))["viewer"] is not None  # the socket goes on
