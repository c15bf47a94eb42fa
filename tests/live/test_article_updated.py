"""Watching an article: now, and after every change that its readers see, as long as they may."""

import pytest

from domain.access import Viewer
from domain.articles import categories, writing
from models import ArticleAudience, Role

WATCH = "subscription ($id: ID!) { articleUpdated(id: $id) { title status draft { title } } }"


@pytest.fixture
def act(desk, director):
    """Does something with articles as a director."""

    async def done(verb, *arguments):
        async with desk.writes.begin() as unit:
            return await verb(unit, Viewer(Role.DIRECTOR, director.id), *arguments)

    return done


@pytest.fixture
async def article(act):
    """The key of a published article."""
    category_id = await act(categories.save, None, categories.Form("C", None, None, [], None, archived=False))
    begun = writing.Beginning("First", None, "", category_id, ArticleAudience.CUSTOMERS, [], "en", None)
    article_id = await act(writing.create, begun)
    return await act(writing.publish, article_id, None, None)


async def test_the_article_now_and_after_every_change_until_it_is_withdrawn(signed_in, act, article, customer, agent):
    reader, writer = await signed_in(customer), await signed_in(agent)
    watched = []
    for client in (reader, writer):
        watched.append(await client.subscribe(WATCH, id=f"art_{article}"))
        assert (await client.item())["articleUpdated"] == {"title": "First", "status": "PUBLISHED", "draft": None}

    await act(writing.save_draft, article, {"title": "Second"}, None)
    assert (await writer.item())["articleUpdated"] == {
        "title": "First",
        "status": "PUBLISHED",
        "draft": {"title": "Second"},
    }
    await act(writing.publish, article, None, None)
    assert (await writer.item())["articleUpdated"] == {"title": "Second", "status": "PUBLISHED", "draft": None}
    seen = (await reader.item())["articleUpdated"]
    if seen["title"] == "First":  # the draft changed nothing for them, and may be told
        seen = (await reader.item())["articleUpdated"]
    assert seen == {"title": "Second", "status": "PUBLISHED", "draft": None}

    await act(writing.archive, article)
    assert await reader.receive() == {"type": "complete", "id": watched[0]}
    assert (await writer.item())["articleUpdated"]["status"] == "ARCHIVED"
