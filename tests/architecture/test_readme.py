"""The README's tour is true: each query it shows is answered as it shows."""

import asyncio
import json
import re
from pathlib import Path

import httpx

README = Path(__file__).resolve().parents[2] / "README.md"
SHOWN = re.compile(r"```graphql\n([^`]*)```\n```json\n([^`]*)```")
SIGN_IN = """mutation ($email: String!) { signIn(input: {email: $email, password: "deskwire-demo"}) {
  ... on SignInSuccess { session { accessToken } } } }"""


class Tour:
    def __init__(self, http):
        self.http, self.tokens = http, {}

    async def ask(self, email, query, **variables):
        if email not in self.tokens:
            answer = (await self.http.post("/graphql", json={"query": SIGN_IN, "variables": {"email": email}})).json()
            self.tokens[email] = answer["data"]["signIn"]["session"]["accessToken"]
        headers = {"Authorization": f"Bearer {self.tokens[email]}"}
        sent = {"query": query, "variables": variables}
        return (await self.http.post("/graphql", json=sent, headers=headers)).json()


async def test_the_shell_of_the_tour(live_server):
    (shell,) = re.findall(r"```sh\n(TOKEN=[^`]*)```", README.read_text())
    bash = await asyncio.create_subprocess_exec(
        "bash", "-c", shell.replace("http://127.0.0.1:8000", live_server), stdout=asyncio.subprocess.PIPE
    )
    answers, _ = await bash.communicate()
    suggested, known = map(json.loads, re.sub(r"\}\s*\{\"data", '}\n{"data', answers.decode()).splitlines())

    assert suggested["data"]["articleSuggestions"] != []
    assert known["data"]["viewer"] == {
        "person": {"name": "Carla Customer", "role": "CUSTOMER"},
        "can": ["SUBMIT_TICKETS"],
    }


async def test_the_tour(live_server):
    shown = SHOWN.findall(README.read_text())
    assert len(shown) == 7
    async with httpx.AsyncClient(base_url=live_server, timeout=20) as http:
        tour = Tour(http)
        found = await tour.ask("customer@example.com", "{ categories { nodes { id name } } }")
        category = next(c["id"] for c in found["data"]["categories"]["nodes"] if c["name"] == "Technical problem")
        number, ticket_id = None, ""
        for query, expected in shown:
            variables = {}
            if "$categoryId" in query:
                variables = {"categoryId": category}
            if "$id" in query:
                variables = {"id": ticket_id}
            if "AgentView" in query:
                await settled(tour, ticket_id)
            who = "agent@example.com" if "id" in variables else "customer@example.com"
            answer = await tour.ask(who, query, **variables)
            if number is None and "SubmitTicketSuccess" in query:
                ticket = answer["data"]["submitTicket"]["ticket"]
                number, ticket_id = ticket["number"], ticket["id"]
            assert answer.pop("extensions")["cost"]["operation"] > 0
            # Another run may have come first: numbers count up.
            assert answer == json.loads(expected.replace("1004", str(number)).replace("tkt_…", ticket_id))


async def settled(tour, ticket_id):
    """Wait until the worker has sent the mail and told the department."""
    looked = """query ($id: ID!) { ticket(id: $id) { viewerUnreadCount events(last: 1) { nodes {
      ... on MessageSent { deliveryStatus } } } } }"""
    for _ in range(100):
        ticket = (await tour.ask("agent@example.com", looked, id=ticket_id))["data"]["ticket"]
        if ticket["viewerUnreadCount"] == 1 and ticket["events"]["nodes"] == [{"deliveryStatus": "SENT"}]:
            return
    raise AssertionError(ticket)
