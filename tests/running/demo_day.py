"""A day at the desk: one ticket from its submission to its rating, with six people, told as a story.

Run by itself it starts a desk of its own, plays the day over the API as front ends would, and by mail as mail programs
do. After each step it prints what everybody saw live, and the mails; at the end, the history as both sides read it.
"""

import asyncio
import email
import email.policy
import functools
import itertools
import json
import re
import smtplib
import sys
import tempfile
import textwrap
import time
import urllib.parse
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import websockets
from rich.console import Console

PASSWORD = "deskwire-demo"
PATIENCE = 30  # seconds that something may take to happen
QUIET_SECONDS = 1.5  # after which a reader has seen what a step leads to
WIDTH = 118

SIGN_IN = """mutation ($email: String!, $password: String!) { signIn(input: {email: $email, password: $password}) {
  ... on SignInSuccess { session { accessToken viewer { person { id name } } } } ... on Refusal { message } } }"""
HAPPENED = """id __typename seq at actor { name }
  ... on TicketRouted { toDepartment { name } } ... on TicketTriaged { category { name } }
  ... on CategoryChanged { toCategory { name } } ... on PriorityChanged { toPriority }
  ... on CommentAdded { comment { body internal channel } } ... on StatusChanged { toStatus }
  ... on TicketAssigned { toAssignee { name } } ... on WatchersChanged { addedWatchers { name } }
  ... on TicketEscalated { escalation { level } } ... on TicketResolved { summary }
  ... on ResolutionConfirmed { rating feedback }
  ... on MessageSent { recipient { name } messageKind deliveryStatus }"""
EVENTS = f"subscription ($ticket: ID!) {{ ticketEvents(ticketId: $ticket) {{ node {{ {HAPPENED} }} }} }}"
NEWEST = "{ viewer { notifications(first: 1) { edges { cursor } } } }"
NEWS = "subscription ($after: String) { notifications(after: $after) { node { kind title } } }"
HISTORY = f"""query ($ticket: ID!) {{ ticket(id: $ticket) {{ number status
  events(first: 100) {{ nodes {{ {HAPPENED} }} }} }} }}"""
# What became of the ticket, in words; of whom and what it speaks is filled in.
WORDS: dict[str, Callable[[Any], str]] = {
    "TicketSubmitted": lambda _: "{who} submitted it.",
    "TicketRouted": lambda node: f"It went to {node['toDepartment']['name']}.",
    "TicketTriaged": lambda node: f"{{who}} found its category: {node['category']['name']}.",
    "CategoryChanged": lambda node: f"{{who}} moved it to {node['toCategory']['name']}.",
    "PriorityChanged": lambda node: f"{{who}} made it {node['toPriority'].lower()}.",
    "CommentAdded": lambda node: f"{{who}} {written(node['comment'])}",
    "StatusChanged": lambda node: f"It is {node['toStatus'].lower()} now.",
    "TicketAssigned": lambda node: f"{{who}} gave it to {node['toAssignee']['name']}.",
    "WatchersChanged": lambda node: f"{names(node['addedWatchers'])} watches it now, thanks to {{who}}.",
    "TicketEscalated": lambda node: f"{{who}} escalated it: {node['escalation']['level'].lower().replace('_', ' ')}.",
    "EscalationAcknowledged": lambda _: "{who} sees to it.",
    "EscalationEnded": lambda _: "The escalation has ended.",
    "TicketResolved": lambda node: f"{{who}} solved it: “{node['summary']}”",
    "ResolutionConfirmed": lambda node: f"{{who}} gave {node['rating']} of 5: “{node['feedback']}”",
    "TicketClosed": lambda _: "{who} closed it.",
    "MessageSent": lambda node: f"A mail went to {node['recipient']['name']} ({node['messageKind']}).",
}  # fmt: skip


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

    def __init__(self, url: str, mail: Path, say: Callable[[str], None], *, patient: bool) -> None:
        """`url`: of the desk; `mail`: the folder of its caught mail; `patient`: a step ends once all is quiet."""
        self.url, self.mail, self.say, self.patient = url, mail, say, patient
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE)
        self.seen: list[tuple[str, str]] = []  # live, by whom, since the step began
        self.told = set(mail.glob("*.eml"))  # letters that the story has told of, or that came before it began
        self.before = frozenset(self.told)

    async def step(self, text: str) -> None:
        """Begin another step, after what the one before led to."""
        await self.led_to()
        self.say(f"\n{text}")

    async def led_to(self) -> None:
        """Tell what everybody saw live, one after the other, and the mails."""
        if self.patient:
            await self.quiet()
        seen, self.seen = sorted(self.seen, key=lambda item: item[0]), []
        for name, items in itertools.groupby(seen, key=lambda item: item[0]):
            self.say(f"   live, {name}:")
            for _, line in items:
                self.say(shown(line, "      "))
        for file in sorted(set(self.mail.glob("*.eml")) - self.told):
            self.told.add(file)
            letter = read(file)
            self.say(f"   mail to {letter['to'].addresses[0].display_name}: {letter['subject']}")
            for line in gist(letter):
                self.say(shown(line, "      "))

    async def quiet(self) -> None:
        """Returns when nothing has come for a while."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            now = len(self.seen) + len(list(self.mail.glob("*.eml")))
            count, since = now, (since if now == count else time.monotonic())
            await asyncio.sleep(0.1)

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
            reading = asyncio.create_task(live.read(socket, lambda item: self.seen.append((who.name, show(item)))))
            try:
                yield live
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def letters(self) -> list[Any]:
        """All mail that went out this day, oldest first."""
        return [read(file) for file in sorted(set(self.mail.glob("*.eml")) - self.before)]

    async def letter(self, to: str, holding: str) -> Any:
        """The newest letter to somebody whose text holds this, once it has come."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for letter in reversed(self.letters()):
                    if to == letter["to"].addresses[0].addr_spec and holding in text_of(letter):
                        return letter
                await asyncio.sleep(0.2)

    async def answer(self, letter: Any, who: Person, text: str) -> None:
        """Answer a letter by mail, as a mail program does."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = who.address, str(letter["reply-to"]), f"Re: {letter['subject']}"
        mail["In-Reply-To"], mail["Message-ID"] = letter["message-id"], f"<answer-{time.time_ns()}@example.com>"
        quoted = textwrap.indent(text_of(letter), "> ", lambda _: True)
        mail.set_content(f"{text}\n\nOn this day {letter['from']} wrote:\n{quoted}")
        await asyncio.to_thread(self._hand_in, mail)

    def _hand_in(self, mail: EmailMessage) -> None:
        known = dict(line.split("=", 1) for line in (self.mail.parent / "environment").read_text().splitlines())
        server = urllib.parse.urlsplit(known["SMTP_URL"])
        with smtplib.SMTP(server.hostname or "", server.port or 0, timeout=PATIENCE) as door:
            door.send_message(mail)

    async def categories(self) -> dict[str, str]:
        """The ids of the ticket categories, by name."""
        found = await self.post("{ categories { nodes { id name } } }", {})
        return {category["name"]: category["id"] for category in found["categories"]["nodes"]}

    async def fill_in(self, page: str, **fields: str) -> None:
        """Send a form of a small page, as a browser does."""
        answer = await self.http.post(page, data=fields)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise AssertionError(answer.text)


def read(file: Path) -> Any:
    """A letter."""
    return email.message_from_bytes(file.read_bytes(), policy=email.policy.default)


def text_of(letter: Any) -> str:
    """What its reader reads, as plain text."""
    body = letter.get_body(preferencelist=("plain",))
    return "" if body is None else body.get_content()


def gist(letter: Any) -> list[str]:
    """What a letter about the ticket says, without its greeting, its heading and its links."""
    parts = [part.strip() for part in text_of(letter).replace("\r\n", "\n").strip().split("\n\n")]
    link = next(number for number, part in enumerate(parts) if part.startswith("http"))
    return parts[2 : link - 1]


def shown(line: str, indent: str) -> str:
    """A line of the story, within its width."""
    return textwrap.fill(line, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def event(node: Any) -> str:
    """An event of a ticket in words."""
    who = node["actor"]["name"] if node["actor"] else "Deskwire"
    return WORDS[node["__typename"]](node).replace("{who}", who)


def written(comment: Any) -> str:
    """What somebody wrote, and for whom."""
    how = "wrote by mail" if comment["channel"] == "EMAIL" else "wrote"
    return f"{how}{', for the desk alone' if comment['internal'] else ''}: “{comment['body']}”"


def names(people: list[Any]) -> str:
    """The names of people."""
    return " and ".join(person["name"] for person in people)


async def play(url: str, mail: Path, say: Callable[[str], None], *, patient: bool = False) -> dict[str, Any]:
    """Play the day; what came of it, for whoever wants to check. `patient`: for readers, whom each step tells all."""
    day = Day(url, mail, say, patient=patient)
    async with day.http:
        addresses = [
            f"{name}@example.com" for name in ("customer", "other.customer", "agent", "lead", "manager", "admin")
        ]
        cast = Cast(*[await Person(day, address).sign_in() for address in addresses])
        rule = await urgent_goes_up(day, cast)
        ticket = await submitted(day, cast)
        newest = (await cast.lead.ask(NEWEST))["viewer"]["notifications"]["edges"]
        after = newest[0]["cursor"] if newest else None
        async with (
            day.live(cast.customer, EVENTS, event, ticket=ticket) as seen_by_customer,
            day.live(cast.agent, EVENTS, event, ticket=ticket) as seen_by_agent,
            day.live(cast.lead, NEWS, lambda node: f"{node['title']}.", after=after) as news_of_lead,
        ):
            await seen_by_customer.until(lambda node: node["__typename"] == "TicketSubmitted")
            await escalated(day, cast, ticket, news_of_lead)
            await answered(day, cast, ticket, seen_by_agent)
            await solved(day, cast, ticket, seen_by_agent, news_of_lead)
            await all_sent(day, cast, ticket)
            await day.led_to()
        await cast.admin.do("deleteEscalationRule", "deletedId", escalationRuleId=rule)
        live = {"customer": seen_by_customer.given, "agent": seen_by_agent.given, "lead": news_of_lead.given}
        return {"live": live} | await told(day, cast, ticket)


async def urgent_goes_up(day: Day, cast: Cast) -> str:
    """The rule of the day; its id."""
    await day.step(
        f"{cast.admin.name}, who administers the desk, has urgent tickets that nobody takes go to team leads."
    )
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
    customer, subject = cast.customer, "The pump has stopped"
    await day.step(f"{customer.name} submits “{subject}” under “Other”, with a file.")
    categories = await day.categories()
    made = await customer.do(
        "submitTicket",
        "ticket { id number department { name } triage { pending } }",
        subject=subject,
        body="It **stopped** at two, and nothing moves since.",
        categoryId=categories["Other"],
        otherTopic="A machine that talks to your API",
        uploadIds=[await attach(day, customer, "log.txt", b"14:02 the pump stopped\n")],
    )
    ticket = made["ticket"]
    day.say(f"   It is #{ticket['number']}, goes to {ticket['department']['name']}, and waits for its category.")
    await day.letter(customer.address, f"#{ticket['number']}")
    return str(ticket["id"])


async def escalated(day: Day, cast: Cast, ticket: str, news_of_lead: Live) -> None:
    """It turns out to be urgent, goes up by itself, and is given to somebody."""
    agent, lead, manager = cast.agent, cast.lead, cast.manager
    await day.step(
        f"{agent.name}, an agent, finds its category, and that it is urgent. Nobody takes it, so it goes up."
    )
    technical = (await day.categories())["Technical problem"]
    await agent.do("triageTicket", "ticket { id }", ticketId=ticket, categoryId=technical, priority="URGENT")
    await news_of_lead.until(lambda node: node["kind"] == "TICKET_ESCALATED")
    await day.letter(lead.address, "escalat")

    await day.step(f"{lead.name}, the team lead, sees to it: gives it to {agent.name}, and asks {manager.name}.")
    found = await lead.ask("query ($id: ID!) { ticket(id: $id) { escalation { id level } } }", id=ticket)
    escalation = found["ticket"]["escalation"]["id"]
    await lead.do("acknowledgeEscalation", "escalation { acknowledgedAt }", escalationId=escalation)
    await lead.do("assignTicket", "ticket { id }", ticketId=ticket, assigneeId=agent.id)
    note = f"@{manager.name} this customer's contract covers a visit, doesn't it?"
    await lead.do("addInternalComment", "comment { id }", ticketId=ticket, body=note)
    asked = await day.letter(manager.address, "contract covers a visit")

    await day.step(
        f"{manager.name}, the manager, answers by mail. The answer stays within the desk, as the question did."
    )
    await day.answer(asked, manager, "It does, until the end of the year.")


async def answered(day: Day, cast: Cast, ticket: str, seen_by_agent: Live) -> None:
    """A question and its answer, which comes from the page that the mail leads to."""
    await seen_by_agent.until(lambda node: (node.get("comment") or {}).get("channel") == "EMAIL")
    await day.step(
        f"{cast.agent.name} has {cast.colleague.name}, a colleague of the customer's, watch it, and asks back."
    )
    await cast.agent.do("watchTicket", "ticket { id }", ticketId=ticket, personId=cast.colleague.id)
    question = "Is the light **red**?"
    await cast.agent.do("addComment", "comment { id }", ticketId=ticket, body=question, thenStatus="PENDING")
    asked = await day.letter(cast.customer.address, "Is the light")
    await day.letter(cast.colleague.address, "Is the light")

    await day.step(f"{cast.customer.name} answers on the page that the mail leads to, without signing in.")
    await day.fill_in(link_in(asked, "/t/"), body="Red, and it blinks twice.")
    await seen_by_agent.until(lambda node: node.get("toStatus") == "OPEN")
    await day.letter(cast.agent.address, "blinks twice")


async def solved(day: Day, cast: Cast, ticket: str, seen_by_agent: Live, news_of_lead: Live) -> None:
    """It is resolved, confirmed and rated, and rated again."""
    customer = cast.customer
    await day.step(f"{cast.agent.name} solves it.")
    summary = "The certificate had expired. It is *new* now."
    await cast.agent.do("resolveTicket", "ticket { status }", ticketId=ticket, summary=summary)
    asks = await day.letter(customer.address, "certificate had expired")

    await day.step(
        f"{customer.name} looks at the mail's page twice, which changes nothing, then confirms there, not happy."
    )
    page = link_in(asks, "/t/")
    await day.http.get(page)
    await day.http.get(page)
    await day.fill_in(page, do="confirm", rating="2", feedback="It took the whole day.")
    await news_of_lead.until(lambda node: node["kind"] == "RESOLUTION_CONFIRMED")
    await day.letter(cast.lead.address, "with 2 of 5")

    await day.step(f"Then {customer.name} thinks better of it.")
    better = {"rating": 4, "feedback": "You were kind."}
    await customer.do("confirmResolution", "ticket { status }", ticketId=ticket, **better)
    await seen_by_agent.until(lambda node: node.get("rating") == better["rating"])
    await day.letter(cast.agent.address, "with 4 of 5")


async def all_sent(day: Day, cast: Cast, ticket: str) -> None:
    """Returns when no letter about the ticket is on its way."""
    async with asyncio.timeout(PATIENCE):
        while True:
            events = (await cast.agent.ask(HISTORY, ticket=ticket))["ticket"]["events"]["nodes"]
            owed = [node for node in events if node.get("deliveryStatus") == "QUEUED"]
            if not owed:
                return
            await asyncio.sleep(0.2)


async def told(day: Day, cast: Cast, ticket: str) -> dict[str, Any]:
    """The mails that went out, and the history as both sides read it."""
    histories = {
        name: (await who.ask(HISTORY, ticket=ticket))["ticket"]
        for name, who in (("customer", cast.customer), ("agent", cast.agent))
    }
    letters = day.letters()
    counts = Counter(letter["to"].addresses[0].display_name for letter in letters)
    each = ", ".join(f"{count} to {name}" for name, count in counts.items())
    day.say(f"\nThat made {len(letters)} mails: {each}.")
    number = histories["agent"]["number"]
    day.say(
        f"\nThe history of #{number}; each side counts what it reads, so no gap tells {cast.customer.name} of the rest."
    )
    day.say("   desk  customer")
    seqs = {node["id"]: node["seq"] for node in histories["customer"]["events"]["nodes"]}
    for node in histories["agent"]["events"]["nodes"]:
        begin = f"   {node['seq']:4}  {seqs.get(node['id'], ''):>8}  {node['at'][11:19]}  "
        day.say(textwrap.fill(event(node), WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin)))
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

    say = functools.partial(Console(width=WIDTH + 2, highlight=False).print, markup=False)
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        log = folder / "desk.log"
        command = [sys.executable, "desk.py", "up"]
        running = Running(command, checkout=root, data_dir=folder / "data", log=log)
        try:
            say(f"A desk of its own is ready after {running.ready(seconds=120):.0f} s.")
            url = f"http://127.0.0.1:{running.port}"
            asyncio.run(play(url, running.data_dir / "mail", say, patient=True))
        finally:
            running.press()
            running.ends(seconds=30)


if __name__ == "__main__":
    main()
