"""What tests of the API share."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from knowledge import GIVE, SEEN, VIEW

from domain import visitors
from domain.access import Viewer
from domain.articles import categories, publishing, writing
from models import ArticleAudience, Role, Watcher

TOLD = "{ viewer { notifications { nodes { kind actor { name } } } } }"


@pytest.fixture
def copies(database):
    """Makes so many copies of a ticket, each with its submission in its history."""

    async def made(ticket, count):
        columns = await database.rows(
            "SELECT string_agg(column_name, ', ') AS names FROM information_schema.columns "
            "WHERE table_name = 'tickets' AND column_name NOT IN ('id', 'number')"
        )
        names = columns[0]["names"]
        await database.rows(
            f"INSERT INTO tickets (id, {names}) SELECT gen_random_uuid(), {names} FROM tickets, "
            "generate_series(1, CAST(:count AS integer)) WHERE id = :id",
            id=ticket.uuid,
            count=count,
        )
        await database.rows(
            "INSERT INTO events (id, ticket_id, seq, public_seq, kind, at, data) "
            "SELECT gen_random_uuid(), t.id, e.seq, e.public_seq, e.kind, e.at, e.data FROM tickets AS t, events AS e "
            "WHERE e.ticket_id = :id AND NOT EXISTS (SELECT FROM events WHERE ticket_id = t.id)",
            id=ticket.uuid,
        )

    return made


@pytest.fixture
async def lead(house, support):
    return await house.person("Lea Lead", Role.TEAM_LEAD, support)


@pytest.fixture
def as_lead(desk, lead):
    """Does something with articles as a lead."""

    async def done(verb, *arguments, **more):
        async with desk.writes.begin() as unit:
            return await verb(unit, Viewer(Role.TEAM_LEAD, lead.id), *arguments, **more)

    return done


@pytest.fixture
async def knowledge(as_lead, problem):
    """The key of a category of articles that answers problems."""
    form = categories.Form("Guides", None, None, [problem.id], None, archived=False)
    return await as_lead(categories.save, None, form)


@pytest.fixture
def publish(desk, as_lead, knowledge, agent):
    """Writes an article as an agent, and publishes it as a lead unless told otherwise."""

    async def published(title="Reset a password", audience=ArticleAudience.PUBLIC, *, out=True):
        said = writing.Beginning(title, None, "Press *reset*.", knowledge, audience, [], "en", None)
        async with desk.writes.begin() as unit:
            article_id = await writing.create(unit, Viewer(Role.AGENT, agent.id), said)
        if out:
            await as_lead(publishing.publish, article_id, None, None)
        return SimpleNamespace(id=article_id, gid=f"art_{article_id}")

    return published


@pytest.fixture
async def article(publish):
    """A published article for everyone."""
    return await publish()


class Visitor:
    """Somebody without an account, who was here before."""

    def __init__(self, desk):
        self.viewer = Viewer(None, uuid4())
        self.headers = {"X-Visitor": visitors.token(desk.signer, self.viewer)}


@pytest.fixture
def visitor(desk):
    """Makes another reader without an account."""
    return lambda: Visitor(desk)


@pytest.fixture
def give(api):
    """Says what somebody thinks of an article; gives the feedback, or the refusal."""

    async def given(viewer, article, **said):
        answer = (await api(viewer, GIVE, input={"articleId": article.gid} | said))["giveArticleFeedback"]
        return answer.get("feedback") or answer

    return given


@pytest.fixture
def look(api):
    """The article, and what is said of it, as somebody sees it."""

    async def seen(viewer, article, **variables):
        return (await api(viewer, SEEN, id=article.gid, **variables))["article"]

    return seen


@pytest.fixture
def open_it(api):
    """Has somebody open an article, and gives the type of the answer."""

    async def opened(viewer, article):
        return (await api(viewer, VIEW, input={"articleId": article.gid}))["recordArticleView"]["__typename"]

    return opened


@pytest.fixture
def told(api):
    """What somebody was told in the app, newest first."""

    async def found(viewer):
        nodes = (await api(viewer, TOLD))["viewer"]["notifications"]["nodes"]
        return [(node["kind"], node["actor"] and node["actor"]["name"]) for node in nodes]

    return found


@pytest.fixture
def watch(desk, ticket):
    """Has somebody follow the ticket."""

    async def watched(person):
        async with desk.writes.begin() as unit:
            unit.insert(Watcher, ticket_id=ticket.uuid, person_id=person.id)

    return watched
