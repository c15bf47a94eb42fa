"""Submit a ticket and follow its history until somebody answers; whatever happens to the connection, nothing is missed.

pip install 'gql[httpx,websockets]'
python watch_ticket.py http://127.0.0.1:8000 customer@example.com deskwire-demo
"""

import asyncio
import datetime as dt
import sys
import time
from contextlib import aclosing
from uuid import uuid4

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

SESSION = "session { accessToken accessTokenExpiresAt refreshToken viewer { person { id name } } }"
SIGN_IN = f"""mutation ($email: String!, $password: String!) {{
  signIn(input: {{email: $email, password: $password}}) {{
    ... on SignInSuccess {{ {SESSION} }}
    ... on Refusal {{ message }} }} }}"""
REFRESH = f"""mutation ($token: String) {{ refreshSession(input: {{refreshToken: $token}}) {{
  ... on RefreshSessionSuccess {{ {SESSION} }}
  ... on Refusal {{ message }} }} }}"""
CATEGORIES = "{ categories(first: 20) { nodes { id name } } }"
SUBMIT = """mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) {
  ... on SubmitTicketSuccess { ticket { id number } }
  ... on InvalidInput { problems { field message } }
  ... on Refusal { message } } }"""
EVENTS = """subscription ($id: ID!, $after: String) { ticketEvents(ticketId: $id, after: $after) {
  cursor node { __typename at actor { id name } ... on CommentAdded { comment { body } } } } }"""
SOON = dt.timedelta(minutes=1)  # before its end a token is traded for a new one
PAUSES = (0.5, 1, 2, 5, 10)  # seconds, between one lost connection and the next try


class Refused(Exception):
    """The desk says no, in words for people."""


def success(answer, name, field):
    """What a mutation has made. Raises Refused."""
    found = answer[name]
    if field not in found:
        problems = found.get("problems", [])
        raise Refused("; ".join(each["message"] for each in problems) or found["message"])
    return found[field]


class Desk:
    """A desk as one person uses it."""

    def __init__(self, url):
        self.url, self.token, self.session = f"{url.rstrip('/')}/graphql", None, None

    async def ask(self, text, **variables):
        """The data of an answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with Client(transport=HTTPXAsyncTransport(self.url, headers=headers)) as session:
            return await session.execute(GraphQLRequest(text, variable_values=variables))

    async def sign_in(self, email, password):
        """Who that is."""
        self._keep(success(await self.ask(SIGN_IN, email=email, password=password), "signIn", "session"))
        return self.session["viewer"]["person"]

    async def stay_signed_in(self):
        """Trade the tokens for new ones when the first ends soon, or has ended. Raises Refused: sign in anew."""
        if dt.datetime.fromisoformat(self.session["accessTokenExpiresAt"]) < dt.datetime.now(dt.UTC) + SOON:
            self.token = None  # one that has ended is refused, whatever is asked
            answer = await self.ask(REFRESH, token=self.session["refreshToken"])
            self._keep(success(answer, "refreshSession", "session"))

    def _keep(self, session):
        self.session, self.token = session, session["accessToken"]

    async def events(self, ticket_id):
        """What happens to a ticket, from its beginning on: each event once, in order, for ever."""
        place, failures = None, 0
        while True:
            began = time.monotonic()
            try:
                await self.stay_signed_in()
                async with aclosing(self._events_after(ticket_id, place)) as edges:
                    async for edge in edges:
                        place, failures = edge["cursor"], 0
                        yield edge["node"]
            except (TransportError, OSError) as lost:
                if time.monotonic() - began > PAUSES[-1]:  # it held for a while, as until the end of its token
                    failures = 0
                if failures == len(PAUSES):
                    raise
                print(f"Again in {PAUSES[failures]} s: {lost!r}", file=sys.stderr)
                await asyncio.sleep(PAUSES[failures])
                failures += 1
            else:
                return  # the ticket can't be seen any more

    async def _events_after(self, ticket_id, cursor):
        transport = WebsocketsTransport(
            self.url.replace("http", "ws", 1),
            init_payload={"authorization": f"Bearer {self.token}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        async with Client(transport=transport) as session:
            asked = GraphQLRequest(EVENTS, variable_values={"id": ticket_id, "after": cursor})
            async for item in session.subscribe(asked):
                yield item["ticketEvents"]


async def main(url, email, password):
    """Submit, and watch."""
    desk = Desk(url)
    me = await desk.sign_in(email, password)
    category = (await desk.ask(CATEGORIES))["categories"]["nodes"][0]["id"]
    given = {"subject": "Printer on fire", "body": "It **burns**.", "categoryId": category}
    # With a key, sending it again after a lost answer makes no second ticket.
    given["idempotencyKey"] = str(uuid4())
    ticket = success(await desk.ask(SUBMIT, input=given), "submitTicket", "ticket")
    print(f"#{ticket['number']} {ticket['id']}", flush=True)
    async with aclosing(desk.events(ticket["id"])) as events:  # which hangs up when nobody listens any more
        async for event in events:
            actor = event["actor"]
            print(f"{event['at']} {event['__typename']} {actor['name'] if actor else '-'}", flush=True)
            if event["__typename"] == "CommentAdded" and actor["id"] != me["id"]:
                print(event["comment"]["body"])
                return


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:4]))
    except Refused as refused:
        sys.exit(str(refused))
