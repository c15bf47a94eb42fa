"""Watching an article: now, and after every change that its readers see, as long as they may."""

import pytest
from sqlalchemy import select

from domain.access import Viewer
from domain.articles import categories, feedback, publishing, reviewing, writing
from models import ArticleAudience, ArticleFeedbackSource, ArticleReview, Role

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
    return await act(publishing.publish, article_id, None, None)


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
    await act(publishing.publish, article, None, None)
    assert (await writer.item())["articleUpdated"] == {"title": "Second", "status": "PUBLISHED", "draft": None}
    seen = (await reader.item())["articleUpdated"]
    if seen["title"] == "First":  # the draft changed nothing for them, and may be told
        seen = (await reader.item())["articleUpdated"]
    assert seen == {"title": "Second", "status": "PUBLISHED", "draft": None}

    await act(publishing.archive, article)
    assert await reader.receive() == {"type": "complete", "id": watched[0]}
    assert (await writer.item())["articleUpdated"]["status"] == "ARCHIVED"


async def test_staff_see_feedback_come_and_a_review_open_and_close(signed_in, desk, act, article, customer, agent):
    watch = """subscription ($id: ID!) { articleUpdated(id: $id) { feedbackStats { ratingCount } openReview { reason }
      viewerFeedback { rating } } }"""
    writer, reader = await signed_in(agent), await signed_in(customer)
    for client in (writer, reader):
        await client.subscribe(watch, id=f"art_{article}")
    nothing = {"ratingCount": 0}
    assert (await writer.item())["articleUpdated"] == {
        "feedbackStats": nothing,
        "openReview": None,
        "viewerFeedback": None,
    }
    assert (await reader.item())["articleUpdated"] == {
        "feedbackStats": None,
        "openReview": None,
        "viewerFeedback": None,
    }

    said = feedback.Opinion(None, 1, None, ArticleFeedbackSource.ARTICLE)
    async with desk.writes.begin() as unit:
        await feedback.give(unit, Viewer(Role.CUSTOMER, customer.id), "here", article, said)

    assert (await writer.item())["articleUpdated"] == {
        "feedbackStats": {"ratingCount": 1},
        "openReview": {"reason": "POOR_RATING"},
        "viewerFeedback": None,
    }
    assert (await reader.item())["articleUpdated"]["viewerFeedback"] == {"rating": 1}
    async with desk.writes.begin() as unit:
        (review_id,) = await unit.run(lambda: select(ArticleReview.id))
        await reviewing.close(unit, Viewer(Role.AGENT, agent.id), review_id[0], revised=False, outcome=None)
    assert (await writer.item())["articleUpdated"]["openReview"] is None
    async with desk.writes.begin() as unit:
        await reviewing.request(unit, Viewer(Role.AGENT, agent.id), article, "The picture is old.", None)
    assert (await writer.item())["articleUpdated"]["openReview"] == {"reason": "REQUESTED"}
    await reader.quiet()  # what became of the review is not for readers to know


async def test_what_others_say_is_not_told_to_readers(signed_in, desk, article, customer, stranger):
    reader = await signed_in(customer)
    await reader.subscribe(WATCH, id=f"art_{article}")
    await reader.item()

    said = feedback.Opinion(True, 5, "Canary", ArticleFeedbackSource.ARTICLE)
    async with desk.writes.begin() as unit:
        await feedback.give(unit, Viewer(Role.CUSTOMER, stranger.id), "here", article, said)

    await reader.quiet()
