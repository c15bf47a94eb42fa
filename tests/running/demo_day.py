"""A day at the desk: one ticket from its submission to its rating, with six people, told as a story.

Run by itself it starts a desk of its own, plays the day over the API as front ends would, and prints what everybody saw
live, the mails that went out, and the history that staff and the customer read.
"""

import asyncio
import email
import email.policy
import functools
import json
import re
import sys
import tempfile
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import websockets
from rich.console import Console

PASSWORD = "deskwire-demo"
PATIENCE = 30  # seconds that something may take to happen
QUIET_SECONDS = 3

SIGN_IN = """mutation ($email: String!, $password: String!) { signIn(input: {email: $email, password: $password}) {
  ... on SignInSuccess { session { accessToken viewer { person { id name } } } } ... on Refusal { message } } }"""
EVENTS = """subscription ($ticket: ID!) { ticketEvents(ticketId: $ticket) { node {
  __typename seq actor { name }
  ... on CommentAdded { comment { body internal } } ... on StatusChanged { toStatus }
  ... on TicketAssigned { toAssignee { name } } ... on TicketEscalated { escalation { level } }
  ... on ResolutionConfirmed { rating } } } }"""
NEWS = "subscription { notifications { node { kind title } } }"
HISTORY = """query ($ticket: ID!) { ticket(id: $ticket) { number status events(first: 100) { nodes {
  __typename seq at actor { name } } } } }"""


class Person:
    """Somebody with a session of their own."""

    def __init__(self, desk: "Day", address: str) -> None:
        self.desk, self.address = desk, address
        self.name = self.id = self.token = ""

    async def sign_in(self) -> "Person":
        answer = await self.desk.post(SIGN_IN, {"email": self.address, "password": PASSWORD})
        session = answer["signIn"]["session"]
        self.token, self.id = session["accessToken"], session["viewer"]["person"]["id"]
        self.name = session["viewer"]["person"]["name"]
        return self

    async def ask(self, text: str, **variables: Any) -> Any:
        """The answer's data."""
        return await self.desk.post(text, variables, self.token)

    async def do(self, mutation: str, wanted: str, **values: Any) -> Any:
        """Call a mutation with these values of its input; it must succeed."""
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        text = f"""mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{ __typename
          ... on {kind}Success {{ {wanted} }} ... on Refusal {{ message }} }} }}"""
        answer = (await self.ask(text, input=values))[mutation]
        if answer["__typename"] != f"{kind}Success":
            raise AssertionError(f"{self.name} could not {mutation}: {answer}")
        return answer


class Live:
    """A subscription that stays open; what it gives is kept, and can be waited for."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.more = asyncio.Condition()

    async def read(self, socket: Any, show: Callable[[Any], None]) -> None:
        async for message in socket:
            said = json.loads(message)
            if said["type"] != "next":
                raise AssertionError(said)
            if "errors" in said["payload"]:
                raise AssertionError(said["payload"]["errors"])
            (item,) = said["payload"]["data"].values()
            async with self.more:
                self.given.append(item["node"])
                self.more.notify_all()
            show(item["node"])

    async def until(self, fits: Callable[[Any], bool]) -> Any:
        """The first that fits, be it there already or still to come."""
        async with asyncio.timeout(PATIENCE), self.more:
            await self.more.wait_for(lambda: any(map(fits, self.given)))
        return next(filter(fits, self.given))


@dataclass
class Cast:
    """The six people of the day."""

    customer: Person
    colleague: Person  # of the customer's
    agent: Person
    lead: Person
    manager: Person
    admin: Person


class Day:
    """The desk as its clients see it, and the story of what they did."""

    def __init__(self, url: str, mail: Path, say: Callable[[str], None]) -> None:
        """`url`: of the desk; `mail`: the folder where its caught mail lies."""
        self.url, self.mail, self.say = url, mail, say
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE)

    async def post(self, text: str, variables: dict[str, Any], token: str = "") -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = await self.http.post("/graphql", json={"query": text, "variables": variables}, headers=headers)
        said = answer.json()
        if "errors" in said:
            raise AssertionError(said["errors"])
        return said["data"]

    @asynccontextmanager
    async def live(self, who: Person, text: str, show: Callable[[Any], str], **variables: Any) -> AsyncIterator[Live]:
        live, address = Live(), self.url.replace("http", "ws", 1) + "/graphql"
        async with websockets.connect(address, subprotocols=["graphql-transport-ws"]) as socket:
            hello = {"type": "connection_init", "payload": {"authorization": f"Bearer {who.token}"}}
            await socket.send(json.dumps(hello))
            if json.loads(await socket.recv())["type"] != "connection_ack":
                raise AssertionError("not acknowledged")
            asked = {"id": "1", "type": "subscribe", "payload": {"query": text, "variables": variables}}
            await socket.send(json.dumps(asked))
            reading = asyncio.create_task(
                live.read(socket, lambda item: self.say(f"      live to {who.name}: {show(item)}"))
            )
            try:
                yield live
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def letters(self) -> list[Any]:
        """All mail that went out, oldest first."""
        files = sorted(self.mail.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    async def letter(self, to: str, holding: str) -> Any:
        """The newest letter to somebody whose text holds this, once it has come."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for letter in reversed(self.letters()):
                    if to == letter["to"].addresses[0].addr_spec and holding in text_of(letter):
                        return letter
                await asyncio.sleep(0.2)

    async def all_letters(self) -> list[Any]:
        """All letters, once none has come for a while."""
        count, quiet = -1, 0
        while quiet < QUIET_SECONDS:
            await asyncio.sleep(1)
            now = len(self.letters())
            quiet, count = (quiet + 1, now) if now == count else (0, now)
        return self.letters()

    async def categories(self) -> dict[str, str]:
        """The ids of the ticket categories, by name."""
        found = await self.post("{ categories { nodes { id name } } }", {})
        return {category["name"]: category["id"] for category in found["categories"]["nodes"]}

    async def fill_in(self, page: str, **fields: str) -> None:
        """Send a form of a small page, as a browser does."""
        answer = await self.http.post(page, data=fields)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise AssertionError(answer.text)


def text_of(letter: Any) -> str:
    """What its reader reads, as plain text."""
    body = letter.get_body(preferencelist=("plain",))
    return "" if body is None else body.get_content()


def news(node: Any) -> str:
    """A notification in a line."""
    return f"{node['kind']}: {node['title']}"


def event(node: Any) -> str:
    """An event of a ticket in a line."""
    facts = [f"{name}={value}" for name, value in node.items() if name not in {"__typename", "seq", "actor"}]
    by = node["actor"]["name"] if node["actor"] else "Deskwire"
    return f"{node['seq']}. {node['__typename']} by {by} {' '.join(facts)}".rstrip()


async def play(url: str, mail: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Play the day; what came of it, for whoever wants to check."""
    day = Day(url, mail, say)
    async with day.http:
        addresses = [
            f"{name}@example.com" for name in ("customer", "other.customer", "agent", "lead", "manager", "admin")
        ]
        cast = Cast(*[await Person(day, address).sign_in() for address in addresses])
        rule = await urgent_goes_up(day, cast)
        ticket = await submitted(day, cast)
        async with (
            day.live(cast.customer, EVENTS, event, ticket=ticket) as seen_by_customer,
            day.live(cast.agent, EVENTS, event, ticket=ticket) as seen_by_agent,
            day.live(cast.lead, NEWS, news) as news_of_lead,
        ):
            await seen_by_customer.until(lambda node: node["__typename"] == "TicketSubmitted")
            await escalated(day, cast, ticket, news_of_lead)
            await answered(day, cast, ticket, seen_by_agent)
            await solved(day, cast, ticket, seen_by_agent, news_of_lead)
        await cast.admin.do("deleteEscalationRule", "deletedId", escalationRuleId=rule)
        live = {"customer": seen_by_customer.given, "agent": seen_by_agent.given, "lead": news_of_lead.given}
        return {"live": live} | await told(day, cast, ticket)


async def urgent_goes_up(day: Day, cast: Cast) -> str:
    """The rule of the day; its id."""
    day.say(f"{cast.admin.name} has urgent tickets that nobody takes go to the team leads at once.")
    made = await cast.admin.do(
        "saveEscalationRule",
        "escalationRule { id }",
        name="Urgent, and nobody's",
        trigger="UNASSIGNED",
        afterSeconds=0,
        level="TEAM_LEAD",
        priorities=["URGENT"],
    )
    return str(made["escalationRule"]["id"])


async def submitted(day: Day, cast: Cast) -> str:
    """A ticket of the category for everything else, with a file; its id."""
    customer = cast.customer
    day.say(f"{customer.name} submits a ticket of the category for everything else, with a file.")
    categories = await day.categories()
    made = await customer.do(
        "submitTicket",
        "ticket { id number department { name } triage { pending } }",
        subject="The pump has stopped",
        body="It **stopped** at two, and nothing moves since.",
        categoryId=categories["Other"],
        otherTopic="A machine that talks to your API",
        uploadIds=[await attach(day, customer, "log.txt", b"14:02 the pump stopped\n")],
    )
    ticket = made["ticket"]
    day.say(f"   #{ticket['number']} goes to {ticket['department']['name']} and waits for its category.")
    await day.letter(customer.address, f"#{ticket['number']}")
    return str(ticket["id"])


async def escalated(day: Day, cast: Cast, ticket: str, news_of_lead: Live) -> None:
    """It turns out to be urgent, goes up by itself, and is given to somebody."""
    agent, lead, manager = cast.agent, cast.lead, cast.manager
    day.say(f"{agent.name} finds its category, and that it is urgent.")
    technical = (await day.categories())["Technical problem"]
    await agent.do("triageTicket", "ticket { id }", ticketId=ticket, categoryId=technical, priority="URGENT")
    await news_of_lead.until(lambda node: node["kind"] == "TICKET_ESCALATED")
    await day.letter(lead.address, "escalat")

    day.say(f"{lead.name} acknowledges the escalation, gives the ticket to {agent.name}, and asks {manager.name}.")
    found = await lead.ask("query ($id: ID!) { ticket(id: $id) { escalation { id level } } }", id=ticket)
    escalation = found["ticket"]["escalation"]["id"]
    await lead.do("acknowledgeEscalation", "escalation { acknowledgedAt }", escalationId=escalation)
    await lead.do("assignTicket", "ticket { id }", ticketId=ticket, assigneeId=agent.id)
    note = f"@{manager.name} this customer's contract covers a visit, doesn't it?"
    await lead.do("addInternalComment", "comment { id }", ticketId=ticket, body=note)
    await day.letter(manager.address, "contract covers a visit")


async def answered(day: Day, cast: Cast, ticket: str, seen_by_agent: Live) -> None:
    """A question and its answer, which comes from the page that the mail leads to."""
    day.say(f"{cast.agent.name} adds {cast.colleague.name} as a watcher, and asks back.")
    await cast.agent.do("watchTicket", "ticket { id }", ticketId=ticket, personId=cast.colleague.id)
    question = "Is the light **red**?"
    await cast.agent.do("addComment", "comment { id }", ticketId=ticket, body=question, thenStatus="PENDING")
    asked = await day.letter(cast.customer.address, "Is the light")
    await day.letter(cast.colleague.address, "Is the light")

    day.say(f"{cast.customer.name} answers from the page that the mail leads to.")
    await day.fill_in(link_in(asked, "/t/"), body="Red, and it blinks twice.")
    await seen_by_agent.until(lambda node: node.get("toStatus") == "OPEN")


async def solved(day: Day, cast: Cast, ticket: str, seen_by_agent: Live, news_of_lead: Live) -> None:
    """It is resolved, confirmed and rated, and rated again."""
    customer = cast.customer
    day.say(f"{cast.agent.name} resolves it.")
    summary = "The certificate had expired. It is *new* now."
    await cast.agent.do("resolveTicket", "ticket { status }", ticketId=ticket, summary=summary)
    asks = await day.letter(customer.address, "certificate had expired")

    day.say(f"{customer.name} opens the mail's link, which changes nothing, then confirms there and is not happy.")
    page = link_in(asks, "/t/")
    await day.http.get(page)
    await day.http.get(page)
    await day.fill_in(page, do="confirm", rating="2", feedback="It took the whole day.")
    await news_of_lead.until(lambda node: node["kind"] == "RESOLUTION_CONFIRMED")

    day.say(f"Then {customer.name} thinks better of it.")
    better = {"rating": 4, "feedback": "You were kind."}
    await customer.do("confirmResolution", "ticket { status }", ticketId=ticket, **better)
    await seen_by_agent.until(lambda node: node.get("rating") == better["rating"])


async def told(day: Day, cast: Cast, ticket: str) -> dict[str, Any]:
    """The mails that went out, and the history as both sides read it."""
    letters = await day.all_letters()
    day.say("\nThe mails that went out:")
    for letter in letters:
        day.say(f"   to {letter['to']}: {letter['subject']}")
    histories = {}
    for name, who in (("customer", cast.customer), ("agent", cast.agent)):
        histories[name] = (await who.ask(HISTORY, ticket=ticket))["ticket"]
        day.say(f"\nThe history as {who.name} reads it:")
        for node in histories[name]["events"]["nodes"]:
            by = node["actor"]["name"] if node["actor"] else "Deskwire"
            day.say(f"   {node['seq']:2}. {node['at'][11:19]}  {node['__typename']} by {by}")
    return {"letters": letters, "histories": histories}


async def attach(day: Day, who: Person, filename: str, content: bytes) -> str:
    """Upload a file; its id for a mutation."""
    made = await who.do(
        "createUpload",
        "upload { id url headers { name value } }",
        filename=filename,
        contentType="text/plain",
        sizeBytes=len(content),
    )
    upload = made["upload"]
    headers = {header["name"]: header["value"] for header in upload["headers"]}
    (await day.http.put(upload["url"], content=content, headers=headers)).raise_for_status()
    return str(upload["id"])


def link_in(letter: Any, path: str) -> str:
    """The address in a letter that leads to such a page, as a path."""
    found = re.search(rf"https?://[^\s<>\"]*{re.escape(path)}[^\s<>\"]+", text_of(letter))
    if found is None:
        raise AssertionError(text_of(letter))
    return urllib.parse.urlsplit(found[0]).path


def main() -> None:
    """Start a desk of one's own and play the day at it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import Running

    say = functools.partial(Console(width=150, highlight=False).print, markup=False)
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        log = folder / "desk.log"
        command = [sys.executable, "desk.py", "up"]
        running = Running(command, checkout=root, data_dir=folder / "data", log=log)
        try:
            say(f"A desk of its own is ready after {running.ready(seconds=120):.0f} s.\n")
            url = f"http://127.0.0.1:{running.port}"
            asyncio.run(play(url, running.data_dir / "mail", say))
        finally:
            running.press()
            running.ends(seconds=30)


if __name__ == "__main__":
    main()
