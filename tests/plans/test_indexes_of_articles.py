"""Articles are found in a large knowledge base by few of its rows, in any order and however common the words are."""

import pytest

from domain.access import Viewer
from domain.articles import lists
from infra.ids import new_id
from models import Role

ARTICLES, MOST = 10_000, 6_000
VIEWERS = {
    "nobody": Viewer(None),
    "customer": Viewer(Role.CUSTOMER, new_id()),
    "agent": Viewer(Role.AGENT, new_id()),
}
GROWING = {"articles", "article_words", "article_terms", "article_slugs"}
# Of 20,000 words some are in every second article, and most in few.
SEED = f"""
INSERT INTO article_categories (id, slug, name, ticket_category_ids, position, path)
SELECT gen_random_uuid(), 'part-' || n, 'Part ' || n, '{{}}', n, lpad(n::text, 4, '0') || '.'
FROM generate_series(1, 20) AS n;
INSERT INTO article_languages (language) VALUES ('english') ON CONFLICT DO NOTHING;
CREATE TEMPORARY TABLE said AS
SELECT n, string_agg('q' || substr(md5((power(random(), 4) * 20000)::int::text), 1, 6), ' ') AS body
FROM generate_series(1, {ARTICLES}) AS n, generate_series(1, 120) GROUP BY n;
INSERT INTO articles (id, slug, title, summary, body, body_html, category_id, position, tags, status, audience, locale,
    language, author_id, number, updated_at)
SELECT gen_random_uuid(), 'article-' || n, split_part(body, ' ', 1) || ' ' || split_part(body, ' ', 2) || ' reset', '',
    body, '<h2>Of <em>it</em></h2><p>' || body || '</p>', c.id, n,
    CASE WHEN n % 100 = 0 THEN '{{rare}}'::text[] ELSE '{{}}' END, 'PUBLISHED',
    CASE n % 10 WHEN 0 THEN 'STAFF' ELSE 'PUBLIC' END, 'en', 'english', (SELECT id FROM people LIMIT 1), 1,
    now() - n * interval '1 minute'
FROM said, article_categories AS c WHERE c.slug = 'part-' || n % 20 + 1;
INSERT INTO article_slugs (slug, article_id) SELECT slug, id FROM articles;
INSERT INTO article_words (article_id, audience, heading, words)
SELECT id, audience, to_tsvector('english', title), to_tsvector('english', title || ' ' || body) FROM articles;
INSERT INTO article_terms (word, audience, articles)
SELECT word, audience, count(*) FROM article_words, unnest(tsvector_to_array(words)) AS word GROUP BY 1, 2;
INSERT INTO article_standings SELECT id, position, position % 7, position % 5 FROM articles;
ANALYZE;
"""
SUGGESTIONS = """query ($said: String!) { articleSuggestions(text: $said, first: 5) {
  score excerptHtml article { title } } }"""
LIST = """query ($filter: ArticleFilter, $order: ArticleOrder) { articles(first: 20, filter: $filter, orderBy: $order) {
  nodes { title category { name } } pageInfo { hasNextPage } } }"""
FOUND = """query ($filter: ArticleFilter) { articles(first: 20, filter: $filter) {
  edges { highlightHtml node { title } } pageInfo { hasNextPage } } }"""
SLUG = "query ($slug: String!) { articleBySlug(slug: $slug) { title related(first: 5) { title } } }"


@pytest.fixture(scope="module")
async def seeded(large):
    """Texts that are searched for: a rare word, a common one, several, and one that is misspelt."""
    await large.execute("BEGIN; SET LOCAL statement_timeout = 0")
    await large.execute("SELECT setseed(0.5)")
    await large.execute(SEED)
    words = "SELECT word FROM article_terms WHERE audience = 'PUBLIC' ORDER BY articles {0}, word LIMIT {1}"
    common = [row[0] for row in await large.fetch(words.format("DESC", 12))]
    rare = [row[0] for row in await large.fetch(words.format("ASC", 5))]
    yield {
        "rare": rare[0],
        "common": "reset",
        "several": " ".join([*common[1:3], rare[1]]),
        "misspelt": f"{rare[2]}x",
        "many misspelt": " ".join(f"{word}{letter}" for word in (*rare, *common) for letter in "wxyz"),
        "question": " ".join([*common, *rare]),
        "common words": " ".join(common),
    }
    await large.execute("ROLLBACK")


@pytest.mark.parametrize("said", ["rare", "common", "several", "misspelt", "many misspelt", "question", "common words"])
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_suggestions(plans, seeded, viewer, said):
    assert await plans.looked_at(VIEWERS[viewer], SUGGESTIONS, growing=GROWING, said=seeded[said]) < MOST


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_orders(plans, seeded, viewer, direction):
    changed, *others = ({"field": name, "direction": direction} for name in ("UPDATED_AT", "CATEGORY", "VIEWS"))
    assert not await plans.of_query(VIEWERS[viewer], LIST, order=changed) & GROWING
    assert await plans.looked_at(VIEWERS[viewer], LIST, growing=GROWING, order=changed) < 50
    for order in others:  # each article is looked at, once
        assert await plans.looked_at(VIEWERS[viewer], LIST, growing=GROWING, order=order) <= ARTICLES


@pytest.mark.parametrize("asked", [{"tags": ["rare"]}, {"text": "rare"}])
async def test_what_is_rare_is_found_by_its_index(plans, seeded, asked):
    asked = {"text": seeded["rare"]} if "text" in asked else asked
    assert not await plans.of_query(VIEWERS["agent"], FOUND, filter=asked) & GROWING
    assert await plans.looked_at(VIEWERS["agent"], FOUND, growing=GROWING, filter=asked) < 200


async def test_of_a_common_word_the_newest_are_ranked(plans, seeded):
    sql, arguments = plans.statement(VIEWERS["agent"], FOUND, {"filter": {"text": "reset"}})
    nodes = await plans.explained(sql, arguments, "ANALYZE, TIMING OFF, FORMAT JSON")
    assert lists.MOST_RANKED in {node["Actual Rows"] for node in nodes if node["Node Type"] == "Limit"}
    assert await plans.looked_at(VIEWERS["agent"], FOUND, growing=GROWING, filter={"text": "reset"}) < 4 * ARTICLES


async def test_a_slug(plans, seeded):
    assert not await plans.of_query(VIEWERS["agent"], SLUG, slug="article-500") & {"articles", "article_slugs"}
