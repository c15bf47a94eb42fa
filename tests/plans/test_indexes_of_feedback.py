"""What readers say of articles is found by indexes, of an article that many have an opinion of too."""

import pytest

from domain import review_requests
from domain.access import Viewer
from domain.articles import feedback, reviewing
from domain.articles import views as opened
from infra.ids import new_id
from infra.unit import now
from models import Role

AGENT = Viewer(Role.AGENT, new_id())
GROWING = {"article_feedback", "article_reviews", "article_readings", "article_views"}
# Half of all that was ever said is of one article.
SEED = """
INSERT INTO article_categories (id, slug, name, ticket_category_ids, position, path)
SELECT gen_random_uuid(), 'plans', 'Plans', '{}', 0, '0000.';
INSERT INTO articles (id, slug, title, summary, body, body_html, category_id, position, tags, status, audience, locale,
    language, author_id, number, updated_at)
SELECT gen_random_uuid(), 'plan-' || n, 'Plan ' || n, '', '', '', c.id, n, '{}', 'PUBLISHED', 'PUBLIC', 'en', 'english',
    (SELECT id FROM people LIMIT 1), 1, now()
FROM generate_series(1, 1000) AS n, article_categories AS c;
INSERT INTO article_feedback (id, article_id, version_number, reader_id, helpful, rating, badness, source, at)
SELECT gen_random_uuid(), a.id, 1, gen_random_uuid(), n % 4 > 0, n % 5 + 1, 5 - n % 5, 'ARTICLE',
    now() - n * interval '10 minutes'
FROM articles AS a, generate_series(1, CASE a.slug WHEN 'plan-1' THEN 20000 ELSE 20 END) AS n;
INSERT INTO article_reviews (id, article_id, reason, status, since, requested_at, assignee_id, closed_at)
SELECT gen_random_uuid(), a.id, 'POOR_RATING', CASE n WHEN 0 THEN 'OPEN' ELSE 'REVISED' END,
    now() - (n + 1) * interval '1 day', now() - n * interval '1 day', a.author_id,
    CASE n WHEN 0 THEN NULL ELSE now() - (n - 0.5) * interval '1 day' END
FROM articles AS a, generate_series(0, 20) AS n;
INSERT INTO article_readings (article_id, reader_id, at) SELECT article_id, reader_id, at FROM article_feedback;
INSERT INTO article_views (article_id, start, version_number, count)
SELECT a.id, date_bin('15 minutes', now(), '2000-01-01Z') - n * interval '15 minutes', 1, 3
FROM articles AS a, generate_series(1, CASE a.slug WHEN 'plan-1' THEN 20000 ELSE 20 END) AS n;
INSERT INTO article_standings SELECT id, position, position % 7, position % 5 FROM articles;
ANALYZE;
"""
SAID = """query ($id: ID!, $filter: ArticleFeedbackFilter) { article(id: $id) { viewerFeedback { rating }
  feedback(first: 20, filter: $filter) { nodes { comment } } openReview {
    feedback(first: 5) { nodes { rating } } } } }"""
STATS = "query ($id: ID!) { article(id: $id) { feedbackStats { viewCount helpfulShare ratingCounts } } }"
REVIEWS = "query ($filter: ArticleReviewFilter) { articleReviews(first: 20, filter: $filter) { nodes { id } } }"
SORTED = """query ($order: ArticleOrder, $filter: ArticleFilter) {
  articles(first: 20, orderBy: $order, filter: $filter) { nodes { title } } }"""


@pytest.fixture(scope="module")
async def seeded(large):
    """The key of the article that many have an opinion of."""
    await large.execute("BEGIN; SET LOCAL statement_timeout = 0")
    await large.execute(SEED)
    yield await large.fetchval("SELECT id FROM articles WHERE slug = 'plan-1'")
    await large.execute("ROLLBACK")


@pytest.mark.parametrize("asked", [None, {"helpful": False}, {"ratingAtMost": 2}, {"commented": True}])
async def test_what_is_said_of_an_article(plans, seeded, asked):
    assert not await plans.of_query(AGENT, SAID, id=f"art_{seeded}", filter=asked) & GROWING


async def test_a_page_of_feedback_costs_what_a_page_costs(plans, seeded):
    text = """query ($id: ID!) { article(id: $id) { feedback(first: 20) { nodes { comment } } } }"""
    assert await plans.looked_at(AGENT, text, growing=GROWING, id=f"art_{seeded}") < 50


async def test_what_it_comes_to_reads_the_article_alone(plans, seeded):
    assert not await plans.of_query(AGENT, STATS, id=f"art_{seeded}") & {"article_views"}


@pytest.mark.parametrize("asked", [None, {"statuses": ["OPEN"]}, {"assigneeId"}])
async def test_reviews(plans, large, seeded, asked):
    if asked == {"assigneeId"}:
        asked = {"assigneeId": f"per_{await large.fetchval('SELECT author_id FROM articles LIMIT 1')}"}
    assert not await plans.of_query(AGENT, REVIEWS, filter=asked) & GROWING
    assert await plans.looked_at(AGENT, REVIEWS, growing=GROWING, filter=asked) < 50


@pytest.mark.parametrize("field", ["VIEWS", "HELPFUL_SHARE"])
async def test_orders_by_readers_read_nothing_that_readers_add(plans, seeded, field):
    order = {"field": field, "direction": "DESC"}
    assert not await plans.of_query(AGENT, SORTED, order=order, filter={"inReview": True}) & GROWING


async def test_what_feedback_and_views_read_and_write(plans, seeded):
    moment = now()
    for build, *arguments in (
        (feedback._by_reader, seeded, new_id(), 1),
        (reviewing._open, seeded),
        (reviewing._last_closed, seeded),
        (reviewing._answers, seeded, 1, new_id(), moment - reviewing.WITHIN),
        (reviewing._writers, seeded, new_id()),
        (review_requests._review, new_id()),
        (opened._read, seeded, new_id(), moment),
        (opened._counted, seeded, moment, 1),
        (opened.added, seeded, 1, 0, 0),
        (opened._forgotten, moment - opened.LATELY * 12),
    ):
        assert not await plans.of_statement(build, *arguments) & {*GROWING, "people"}, build
