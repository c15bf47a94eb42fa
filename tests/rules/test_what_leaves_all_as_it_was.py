"""What somebody does not see leaves all as it was for them: whatever they ask for, and whatever they watch.

That is what is internal, for customers and those who see a ticket as they do; all that happens to a ticket, for those
who don't see it at all; and what is not for readers, for those who read articles.
"""

import asyncio
import datetime as dt
import re
from types import SimpleNamespace
from uuid import UUID

import pytest
from both_ways import SCHEMA, everything
from sqlalchemy import select

import models
from domain import history, sessions
from domain.happenings import SlaBreached, SlaPolicyChanged, TicketTriaged
from models import Role, SlaTargetKind

SIGNED = re.compile(r"/files/[\w.-]+")  # anew each time
ORDERS = ("CREATED_AT", "UPDATED_AT", "PRIORITY", "DUE_AT", "WAITING_SINCE")
FILTERS = (
    '{text: "secret"}', '{text: "fire"}', '{tags: ["secret"]}', "{breached: true}", "{breached: false}",
    '{dueBefore: "2099-01-01T00:00:00Z"}', '{updated: {from: "%s"}}', "{mine: true}", "{needsTriage: true}",
)  # fmt: skip
HANGING = """comments(first: 50) { totalCount edges { cursor node { body author { name } attachments { filename } } } }
  events(first: 50) { totalCount edges { cursor node { __typename seq at actor { name } } } }
  attachments(first: 50) { totalCount edges { cursor node { filename } } } links { kind ticket { id } }
  watchers(first: 50) { totalCount edges { cursor node { name } } } requester { name } assignee { name }"""
LISTED = "totalCount edges { cursor highlightHtml node { id updatedAt lastSeq viewerUnreadCount } }"
SUBSCRIPTIONS = (
    """subscription ($id: ID!) { ticketUpdated(id: $id) { updatedAt lastSeq tags waitingSince requester { avatarUrl }
      attachments { totalCount nodes { filename url } } comments { totalCount nodes { body } }
      events { totalCount pageInfo { endCursor } } watchers { totalCount } links { kind } viewerCan } }""",
    "subscription ($id: ID!) { ticketEvents(ticketId: $id) { cursor node { __typename seq } } }",
    "subscription { ticketsChanged { kind ticketId } }",
    "subscription { ticketsChanged(filter: {statuses: [CLOSED]}) { kind ticketId } }",
    "subscription { notifications { cursor node { title } } }",
    "subscription { unreadCountUpdated { count } }",
)
QUEUE = """id openCount unassignedCount mineCount triageCount pendingCount onHoldCount escalatedCount atRiskCount
  breachedCount longestWaitingSince"""
METRICS = """(filter: {from: "2026-01-01T00:00:00Z"}) { total { submittedCount resolvedCount backlogCount replyCount
  satisfaction { ratingCount } escalations { count } } byAgent { agent { name } } byDepartment { department { name } }
  byCategory { category { name } } }"""
ELSEWHERE = (
    f"subscription {{ queueUpdated {{ {QUEUE} }} }}",
    f"subscription ($of: ID) {{ queueUpdated(departmentId: $of) {{ {QUEUE} }} }}",
    f"subscription {{ metricsUpdated{METRICS.replace('2026-01', '2026-02')} }}",
)
DEEDS = {
    "addInternalComment": "comment { id }",
    "editComment": "comment { id }",
    "deleteComment": "comment { id }",
    "updateTicket": "ticket { id }",
    "watchTicket": "ticket { id }",
    "unwatchTicket": "ticket { id }",
    "linkTickets": "ticket { id }",
    "unlinkTickets": "ticket { id }",
    "setTicketPresence": "presence { ticketId }",
    "assignTicket": "ticket { id }",
    "addComment": "comment { id }",
    "escalateTicket": "ticket { id }",
    "resolveTicket": "ticket { id }",
    "confirmResolution": "ticket { id }",
    "reopenTicket": "ticket { id }",
    "closeTicket": "ticket { id }",
}


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
async def scene(desk, house, api, submit, uploaded, support, billing, problem, customer, stranger, agent):
    """A ticket with another one of its customer's, and who sees it as customers do."""
    people = SimpleNamespace(customer=customer, watcher=await house.person("Wanda Watcher"))
    people.watching_agent = await house.person("Will Watching", Role.AGENT, billing)
    ticket = await submit(customer, problem, uploadIds=[await uploaded(customer)])
    await submit(customer, problem, subject="Another fire")
    other = await submit(stranger, problem, subject="A stranger's fire")
    watch = "mutation ($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
    for person in (people.watcher, people.watching_agent):
        await api(agent, watch, input={"ticketId": ticket["id"], "personId": person.gid})
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, ticket_id=UUID(ticket["id"][4:]))
    people.by_link = SimpleNamespace(token=opened.access_token)
    return SimpleNamespace(people=vars(people), id=ticket["id"], other=other["id"], department=support.gid)


@pytest.fixture
def seen(api, scene):
    """All that each of them can ask for."""
    ticket = f"... on Ticket {everything(SCHEMA.type_map['Ticket'], 0)} {HANGING}"

    async def asked():
        found = {}
        for who, viewer in scene.people.items():
            moment = (await api(viewer, f'{{ ticket(id: "{scene.id}") {{ updatedAt }} }}'))["ticket"]["updatedAt"]
            lists = [f"orderBy: {{field: {order}, direction: DESC}}" for order in ORDERS]
            lists += [f"filter: {each.replace('%s', moment)}" for each in FILTERS]
            parts = [f"l{number}: tickets({each}) {{ {LISTED} }}" for number, each in enumerate(lists)]
            told = "viewer { unread { count } notifications { edges { cursor node { id title body } } } }"
            found[who] = [
                SIGNED.sub("", (await api.post(viewer, f"{{ {text} }}")).text)
                for text in (f'ticket(id: "{scene.id}") {{ {ticket} }}', " ".join(parts), told)
            ]
            assert '"errors"' not in str(found[who]), found[who]
        return found

    return asked


@pytest.fixture
def do(api, agent, work):
    """Does something as an agent, and has told whom it concerns; gives what came of it."""

    async def done(verb, by=agent, **given):
        kind = f"{verb[0].upper()}{verb[1:]}"
        made = f"... on {kind}Success {{ {DEEDS[verb]} }}"
        text = f"mutation ($input: {kind}Input!) {{ {verb}(input: $input) {{ {made} }} }}"
        answer = (await api(by, text, input=given))[verb]
        await work.run()
        return next(iter(answer.values()))

    return done


@pytest.fixture
def happens(desk, work, scene):
    """Records what the clock does."""

    async def happened(event, **changes):
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, UUID(scene.id[4:]))
            unit.change(row, **changes) if changes else None
            history.record(unit, None, row, event)
        await work.run()

    return happened


@pytest.fixture
def watch(signed_in, scene):
    """Opens sockets on which somebody watches all of that; gives them once they say nothing more."""

    async def watched(viewer, texts):
        clients = []
        for text in texts:
            client = await signed_in(viewer)
            variables = {"id": scene.id, "of": scene.department}
            await client.subscribe(text, **{name: value for name, value in variables.items() if f"${name}" in text})
            clients.append(client)
        await asyncio.sleep(0.5)
        for client in clients:
            while True:
                try:
                    async with asyncio.timeout(0.2):
                        await client.socket.recv()
                except TimeoutError:
                    break
        return clients

    return watched


async def test_what_is_internal_is_nothing_to_those_who_see_the_rest(
    do, happens, seen, watch, scene, work, mailbox, uploaded, agent, house, support, problem
):
    await work.run()
    watching = []
    for who, viewer in scene.people.items():
        watching += await watch(viewer, SUBSCRIPTIONS[: 4 if who == "by_link" else None])
    before = await seen()
    colleague = await house.person("Cora Colleague", Role.AGENT, support)
    ticket, note = {"ticketId": scene.id}, None

    async def same(what):
        assert await seen() == before, what
        await asyncio.gather(*(client.quiet() for client in watching))

    body = "A secret of fire. @Will Watching @Cora Colleague"
    note = await do("addInternalComment", **ticket, body=body, uploadIds=[await uploaded(agent)])
    await same("a note")
    await do("editComment", commentId=note["id"], body="Another secret of fire.")
    await same("its words")
    await do("deleteComment", commentId=note["id"])
    await same("its end")
    await do("updateTicket", **ticket, addTags=["secret"])
    await same("a tag")
    await do("watchTicket", **ticket, personId=colleague.gid)
    await same("a colleague who watches")
    await do("unwatchTicket", **ticket, personId=colleague.gid)
    await same("a colleague who does no more")
    await do("linkTickets", **ticket, otherTicketId=scene.other)
    await same("a link to what they don't see")
    await do("unlinkTickets", **ticket, otherTicketId=scene.other)
    await same("its end")
    await do("setTicketPresence", **ticket, activity="TYPING_INTERNALLY")
    await same("somebody on its page")
    late = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    await happens(SlaBreached(SlaTargetKind.RESOLUTION, late), breached_at=late, due_at=late)
    await same("a target that was missed")
    await happens(SlaPolicyChanged(None, None))
    await same("another policy")
    await happens(TicketTriaged(problem.id))
    await same("a category that was found to be right")


async def test_what_is_not_seen_at_all_is_nothing(
    api, do, watch, scene, work, mailbox, house, agent, customer, stranger, support, billing, billing_agent
):
    await work.run()
    lead = await house.person("Bea Lead", Role.TEAM_LEAD, billing)
    people = {"stranger": stranger, "agent": billing_agent, "lead": lead}
    watching = [
        client
        for who, viewer in people.items()
        for client in await watch(viewer, (*SUBSCRIPTIONS[2:], *(ELSEWHERE if who != "stranger" else ())))
    ]
    ticket = {"ticketId": scene.id}

    async def seen():
        found = {}
        for who, viewer in people.items():
            parts = [f"l{number}: tickets(filter: {each}) {{ {LISTED} }}" for number, each in enumerate(FILTERS)]
            parts = [each.replace("%s", "2026-01-01T00:00:00Z") for each in parts]
            parts += [f'ticket(id: "{scene.id}") {{ id }} person(id: "{customer.gid}") {{ name email }}']
            parts += ["viewer { unread { count } notifications { totalCount } }"]
            if who != "stranger":
                parts += [f"queue {{ {QUEUE} }} departments {{ nodes {{ queue {{ {QUEUE} }} }} }} metrics{METRICS}"]
                parts += ["people { nodes { requestedTickets { totalCount } assignedTickets { totalCount } } }"]
            found[who] = (await api.post(viewer, f"{{ {' '.join(parts)} }}")).text
            assert '"errors"' not in found[who], found[who]
        return found

    before = await seen()
    for verb, by, given in (
        ("addComment", customer, {"body": "It burns, in secret."}),
        ("addComment", agent, {"body": "Which fire?", "thenStatus": "PENDING"}),
        ("assignTicket", agent, {"assigneeId": agent.gid}),
        ("updateTicket", agent, {"priority": "URGENT", "addTags": ["secret"]}),
        ("escalateTicket", agent, {"reason": "Fire."}),
        ("resolveTicket", agent, {"summary": "Water."}),
        ("reopenTicket", customer, {"reason": "It burns on."}),
        ("resolveTicket", agent, {"summary": "More water."}),
        ("confirmResolution", customer, {"rating": 1, "feedback": "Wet."}),
        ("reopenTicket", agent, {"reason": "Dry it."}),
        ("closeTicket", agent, {"reason": "Dry."}),
    ):
        await do(verb, by=by, **ticket, **given)
        assert await seen() == before, verb
        await asyncio.gather(*(client.quiet() for client in watching))


# --- Articles ---------------------------------------------------------------------------------------------------------

ARTICLE = """id slug title status tags publishedAt updatedAt publishesAt draft { number } versions { totalCount }
  related { id } openReview { id } feedback { totalCount } feedbackStats { viewCount }"""
FOUND = f"totalCount pageInfo {{ startCursor endCursor }} edges {{ cursor highlightHtml node {{ {ARTICLE} }} }}"
ARTICLE_ORDERS = ("CATEGORY", "UPDATED_AT", "VIEWS")
WORDS = ("houses", "Häuser", "secret", "secrte", "mail", "when")
SHELVES = """{ articleCategories { totalCount edges { cursor node { id position children { edges { cursor } }
  articles { totalCount edges { cursor node { id } } } } } } }"""


@pytest.fixture
def write(api, agent, house, support):
    """Does something with articles as staff; gives the id of the article."""

    async def written(verb, by=agent, **given):
        kind = f"{verb[0].upper()}{verb[1:]}"
        what = {"giveArticleFeedback": "feedback { id }", "requestArticleReview": "review { id }"}
        made = f"... on {kind}Success {{ {what.get(verb, 'article { id }')} }}"
        text = f"mutation ($input: {kind}Input!) {{ {verb}(input: $input) {{ {made} }} }}"
        return next(iter((await api(by, text, input=given))[verb].values()))["id"]

    return written


async def test_what_is_not_for_readers_is_nothing_to_them(api, write, house, database, support, customer, agent):
    lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    shelf = """mutation { saveArticleCategory(input: {name: "Guides"}) { ... on SaveArticleCategorySuccess {
        articleCategory { id } } } }"""
    shelf = (await api(lead, shelf))["saveArticleCategory"]["articleCategory"]["id"]
    public = []
    for title, body in (
        ("Houses and mail", "A mail tells when it is done, and where your houses are. Do not wait for more of it."),
        ("Mail for houses", "Of houses we tell by mail when they are done. Do not ask where they are before that."),
    ):
        public.append(await write("createArticle", title=title, body=body, categoryId=shelf))
        await write("publishArticle", lead, articleId=public[-1])

    async def seen():
        found = {}
        for who, viewer in {"visitor": None, "customer": customer}.items():
            by = [f"{{field: {each}, direction: {way}}}" for each in ARTICLE_ORDERS for way in ("ASC", "DESC")]
            parts = [f"o{number}: articles(orderBy: {each}) {{ {FOUND} }}" for number, each in enumerate(by)]
            for number, word in enumerate(WORDS):
                parts.append(f'w{number}: articles(filter: {{text: "{word}"}}) {{ {FOUND} }}')
                parts.append(f'q{number}: articleSuggestions(text: "{word}") {{ score excerptHtml article {{ id }} }}')
            answers = [(await api.post(viewer, f"{{ {part} }}")).text for part in parts]
            found[who] = [*answers, (await api.post(viewer, SHELVES)).text]
            assert '"errors"' not in str(found[who]), found[who]
        return found

    before = await seen()

    async def same(what):
        assert await seen() == before, what

    words = {"title": "Häuser im Secret", "body": "Ein secret der Häuser, when und where.", "locale": "de"}
    hidden = await write("createArticle", **words, categoryId=shelf, tags=["secret"])
    await same("a draft, in a language that no other article is in")
    await write("saveArticleDraft", articleId=hidden, position=0)
    await same("its place before the others")
    await write("saveArticleDraft", lead, articleId=hidden, audience="STAFF")
    await write("publishArticle", lead, articleId=hidden)
    await same("an article for staff")
    await write("recordArticleView", articleId=hidden)
    await write("giveArticleFeedback", articleId=hidden, helpful=False, rating=1)
    await same("what staff think of it")
    await write("archiveArticle", lead, articleId=hidden)
    await same("its end")
    await write("saveArticleDraft", articleId=public[0], title="Secret houses", body="Another secret of houses.")
    await same("a draft of what they read")
    await write("requestArticleReview", articleId=public[1], note="A secret.")
    await same("a review")
    for given in ({}, {"parentId": shelf}):
        archived = {"name": f"Secret {len(given)}", "archived": True, "position": 0} | given
        text = "mutation ($input: SaveArticleCategoryInput!) { saveArticleCategory(input: $input) { __typename } }"
        assert (await api(lead, text, input=archived)) == {
            "saveArticleCategory": {"__typename": "SaveArticleCategorySuccess"}
        }
        await same("a category that is out of use")
    assert {row["language"] for row in await database.rows("SELECT language FROM article_languages")} > {"german"}
