"""Articles: their categories, drafts beside what is published, versions, addresses, and who sees what of them."""

import asyncio
import datetime as dt
from types import SimpleNamespace

import pytest

from domain.jobs import PublishArticle
from infra import jobs

REFUSALS = """... on InvalidInput { problems { field } } ... on NotFound { field } ... on NotAllowed { message }
  ... on Conflict { reason current { id } }"""
SAVE_CATEGORY = f"""mutation ($input: SaveArticleCategoryInput!) {{ saveArticleCategory(input: $input) {{ __typename
  ... on SaveArticleCategorySuccess {{ articleCategory {{ id slug name description position archivedAt
    parent {{ name }} ticketCategories {{ name }} }} }} {REFUSALS} }} }}"""
CATEGORIES = "{ articleCategories { nodes { name position children { nodes { name } } } } }"
ARTICLE = """id slug title summary body status audience locale publishedAt updatedAt publishesAt tags viewerCan
  author { name } category { name } draft { id number title summary body editedAt editedBy { name } publishedAt }
  versions { nodes { id number title note publishedBy { name } } }"""


def _mutation(name, refusals=REFUSALS):
    kind = name[0].upper() + name[1:]
    return f"""mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename
      ... on {kind}Success {{ article {{ {ARTICLE} }} }} {refusals} }} }}"""


CREATE, SAVE, PUBLISH = map(_mutation, ("createArticle", "saveArticleDraft", "publishArticle"))
ARCHIVE = _mutation(
    "archiveArticle", "... on NotFound { field } ... on NotAllowed { message } ... on Conflict { reason }"
)
RESTORE = _mutation("restoreArticleVersion", "... on NotFound { field } ... on NotAllowed { message }")
ONE = f"query ($id: ID!) {{ article(id: $id) {{ {ARTICLE} bodyHtml }} }}"
BY_SLUG = "query ($slug: String!) { articleBySlug(slug: $slug) { id slug } }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"
IN_CATEGORY = "{ articleCategories { nodes { name articles { totalCount nodes { title } } } } }"
NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def save_category(api, lead):
    """Saves a category as a lead; gives it, or the refusal."""

    async def saved(viewer=lead, **given):
        answer = (await api(viewer, SAVE_CATEGORY, input={"name": "Guides"} | given))["saveArticleCategory"]
        return answer.get("articleCategory") or answer

    return saved


@pytest.fixture
async def guides(save_category):
    """The id of a category."""
    return (await save_category())["id"]


@pytest.fixture
def do(api):
    """Does something with an article; gives it, or the refusal."""

    async def done(viewer, operation, **given):
        (answer,) = (await api(viewer, operation, input=given)).values()
        return answer.get("article") or answer

    return done


@pytest.fixture
def create(do, agent, guides):
    """Begins an article."""

    async def made(viewer=agent, **given):
        return await do(
            viewer, CREATE, **({"title": "Reset a password", "body": "Press *reset*.", "categoryId": guides} | given)
        )

    return made


@pytest.fixture
def published(create, do, lead):
    """Begins an article and publishes it."""

    async def made(**given):
        return await do(lead, PUBLISH, articleId=(await create(**given))["id"])

    return made


@pytest.fixture
def one(api):
    """The article as somebody sees it."""

    async def read(viewer, article):
        return (await api(viewer, ONE, id=article["id"]))["article"]

    return read


# --- Categories -------------------------------------------------------------------------------------------------------


async def test_a_lead_makes_a_category(save_category, problem):
    made = await save_category(name=" Häufige Fragen ", description="What is asked.", ticketCategoryIds=[problem.gid])

    assert made.pop("id").startswith("arc_")
    assert made == {
        "slug": "haufige-fragen",
        "name": "Häufige Fragen",
        "description": "What is asked.",
        "position": 0,
        "archivedAt": None,
        "parent": None,
        "ticketCategories": [{"name": "Technical problem"}],
    }


async def test_categories_stand_in_their_order_as_a_tree(api, save_category):
    first = await save_category(name="First")
    await save_category(name="Third")
    await save_category(name="Second", position=1)
    await save_category(name="Below", parentId=first["id"])

    found = (await api(None, CATEGORIES))["articleCategories"]["nodes"]

    assert [node["name"] for node in found] == ["First", "Below", "Second", "Third"]
    assert [node["name"] for node in found[0]["children"]["nodes"]] == ["Below"]
    assert [node["position"] for node in found] == [0, 0, 1, 2]


async def test_one_that_goes_elsewhere_leaves_no_gap(api, save_category):
    top = await save_category(name="Top")
    below = {name: await save_category(name=name, parentId=top["id"]) for name in "ABC"}

    moved = await save_category(articleCategoryId=below["A"]["id"], name="A")

    assert (moved["position"], moved["parent"]) == (1, None)
    found = (await api(None, CATEGORIES))["articleCategories"]["nodes"]
    assert [(node["name"], node["position"]) for node in found] == [("Top", 0), ("B", 0), ("C", 1), ("A", 1)]


async def test_categories_are_at_most_three_deep_and_never_below_themselves(save_category, database):
    one = await save_category(name="1")
    two = await save_category(name="2", parentId=one["id"])
    three = await save_category(name="3", parentId=two["id"])
    other = await save_category(name="Other")
    before = await database.counts()

    for given in (
        {"name": "4", "parentId": three["id"]},
        {"name": "1", "articleCategoryId": one["id"], "parentId": three["id"]},
        {"name": "1", "articleCategoryId": one["id"], "parentId": one["id"]},
        {"name": "1", "articleCategoryId": one["id"], "parentId": other["id"]},
    ):
        refused = await save_category(**given)
        assert refused["__typename"] == "InvalidInput"
        assert refused["problems"] == [{"field": "parentId"}]
    assert await database.counts() == before


async def test_a_category_is_archived_once_it_is_empty(api, save_category, create, do, agent, guides):
    article = await create()
    other = await save_category(name="Other")

    refused = await save_category(articleCategoryId=guides, archived=True)
    assert (refused["reason"], refused["current"]) == ("IN_USE", {"id": guides})
    await do(agent, SAVE, articleId=article["id"], categoryId=other["id"])
    assert (await save_category(articleCategoryId=guides, archived=True))["archivedAt"]

    assert [node["name"] for node in (await api(None, CATEGORIES))["articleCategories"]["nodes"]] == ["Other"]
    assert (await create())["__typename"] == "InvalidInput"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"name": " "}, "InvalidInput"),
        ({"name": "x" * 101}, "InvalidInput"),
        ({"name": "N", "position": -1}, "InvalidInput"),
        ({"name": "N", "parentId": f"arc_{NOWHERE}"}, "NotFound"),
        ({"name": "N", "articleCategoryId": f"arc_{NOWHERE}"}, "NotFound"),
        ({"name": "N", "ticketCategoryIds": [f"cat_{NOWHERE}"]}, "NotFound"),
        ({"name": "Guides"}, "Conflict"),
    ],
)
async def test_what_is_wrong_with_a_category_is_refused(save_category, guides, database, given, kind):
    before = await database.counts()

    assert (await save_category(**given))["__typename"] == kind
    assert await database.counts() == before


async def test_categories_are_for_leads_to_keep(api, save_category, agent, customer, database):
    before = await database.counts()
    for viewer in (agent, customer):
        assert (await save_category(viewer))["__typename"] == "NotAllowed"
    assert await database.counts() == before


# --- Writing ----------------------------------------------------------------------------------------------------------


async def test_a_language_has_one_name(create):
    for given, kept in (("EN", "en"), ("ZH-hant-tw", "zh-Hant-TW"), ("de-at", "de-AT"), ("sl-Rozaj", "sl-rozaj")):
        assert (await create(locale=given))["locale"] == kept


async def test_an_article_begins_as_a_draft(create):
    made = await create(tags=["Login", "login"])

    assert made["id"].startswith("art_")
    assert made["draft"].pop("id").startswith("arv_")
    assert made["draft"].pop("editedAt") == made["updatedAt"]
    assert {name: made[name] for name in ("slug", "title", "summary", "status", "audience", "locale", "tags")} == {
        "slug": "reset-a-password",
        "title": "Reset a password",
        "summary": "Press reset.",
        "status": "DRAFT",
        "audience": "PUBLIC",
        "locale": "en",
        "tags": ["login"],
    }
    assert made["draft"] == {
        "number": 1,
        "title": "Reset a password",
        "summary": "Press reset.",
        "body": "Press *reset*.",
        "editedBy": {"name": "Ada Agent"},
        "publishedAt": None,
    }
    assert (made["publishedAt"], made["versions"]["nodes"], made["author"]) == (None, [], {"name": "Ada Agent"})


async def test_a_draft_stands_beside_what_readers_see(published, do, one, agent, lead, customer):
    article = await published()
    assert (article["status"], article["draft"]) == ("PUBLISHED", None)

    saved = await do(agent, SAVE, articleId=article["id"], title="Reset it", body="Press *reset* twice.")
    seen = await one(customer, article)

    assert (saved["title"], saved["draft"]["title"], saved["draft"]["number"]) == ("Reset a password", "Reset it", 2)
    assert (seen["title"], seen["body"], seen["slug"]) == ("Reset a password", "Press *reset*.", "reset-a-password")
    again = await do(lead, PUBLISH, articleId=article["id"], note="Twice.")
    assert (again["title"], again["body"], again["draft"]) == ("Reset it", "Press *reset* twice.", None)
    assert [(each["number"], each["note"]) for each in again["versions"]["nodes"]] == [(2, "Twice."), (1, None)]
    assert again["publishedAt"] == article["publishedAt"]
    assert again["updatedAt"] > article["updatedAt"]


async def test_a_summary_is_the_beginning_of_the_text_until_somebody_writes_one(published, do, lead):
    article = await published()
    assert article["summary"] == "Press reset."

    saved = await do(lead, SAVE, articleId=article["id"], body="Press *reset* twice.")
    assert (saved["summary"], saved["draft"]["summary"]) == ("Press reset.", "Press reset twice.")
    await do(lead, SAVE, articleId=article["id"], summary="What to press.")
    saved = await do(lead, SAVE, articleId=article["id"], body="Press it thrice.")
    assert saved["draft"]["summary"] == "What to press."


async def test_a_draft_that_says_what_is_published_is_none(published, do, agent):
    article = await published()
    await do(agent, SAVE, articleId=article["id"], title="Reset it")

    assert (await do(agent, SAVE, articleId=article["id"], title="Reset a password"))["draft"] is None


async def test_former_addresses_keep_leading(api, published, do, lead):
    article = await published()
    for title in ("Reset it", "Reset a password", "Third"):
        await do(lead, SAVE, articleId=article["id"], title=title)
        await do(lead, PUBLISH, articleId=article["id"])

    for slug in ("reset-a-password", "reset-it", "third"):
        assert (await api(None, BY_SLUG, slug=slug))["articleBySlug"] == {"id": article["id"], "slug": "third"}
    assert (await published())["slug"] == "reset-a-password-2"
    assert (await api(None, BY_SLUG, slug="reset"))["articleBySlug"] is None


async def test_headings_have_anchors(published, one):
    body = "# Über uns\n\n## Steps\n\n## Steps\n\n# <b>&\n\n<script>alert(1)</script>"

    assert (await one(None, await published(body=body)))["bodyHtml"] == (
        '<h1 id="uber-uns">Über uns</h1>\n<h2 id="steps">Steps</h2>\n<h2 id="steps-2">Steps</h2>\n'
        '<h1 id="b">&lt;b&gt;&amp;</h1>\n<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>'
    )


async def test_a_draft_changed_meanwhile_is_not_overwritten(published, do, agent, lead, database):
    article = await published()
    await do(lead, SAVE, articleId=article["id"], title="By the lead")
    before = await database.counts()

    refused = await do(agent, SAVE, articleId=article["id"], title="X", ifUnchangedSince=article["updatedAt"])

    assert (refused["reason"], refused["current"]) == ("CHANGED_MEANWHILE", {"id": article["id"]})
    assert await database.counts() == before


async def test_what_takes_effect_at_once(published, do, one, save_category, agent, lead, customer):
    article = await published()
    other = await save_category(name="Other")

    saved = await do(agent, SAVE, articleId=article["id"], categoryId=other["id"], tags=["New"])
    assert (saved["category"], saved["tags"], saved["draft"]) == ({"name": "Other"}, ["new"], None)
    assert (await do(agent, SAVE, articleId=article["id"], audience="STAFF"))["__typename"] == "NotAllowed"
    assert await one(customer, article)
    await do(lead, SAVE, articleId=article["id"], audience="STAFF")
    assert await one(customer, article) is None


async def test_a_place_in_the_category(api, published, save_category, do, database, lead):
    elsewhere = (await save_category(name="Elsewhere"))["id"]
    await published(title="D", categoryId=elsewhere)
    made = [await published(title=title) for title in "ABC"]

    await do(lead, SAVE, articleId=made[2]["id"], position=0)

    found = (await api(None, IN_CATEGORY))["articleCategories"]["nodes"][0]["articles"]
    assert (found["totalCount"], [node["title"] for node in found["nodes"]]) == (3, ["C", "A", "B"])
    places = await database.rows("SELECT title, position FROM articles ORDER BY title")
    assert {row["title"]: row["position"] for row in places} == {"C": 0, "A": 1, "B": 2, "D": 0}


async def test_many_are_put_in_their_places_at_once(published, do, database, lead):
    """Each locks its own article and then all others: none may wait for one that waits for it."""
    made = [await published(title=title) for title in "ABCDEFGH"]
    places = [3, 6, 1, 4, 7, 2, 5, 0]

    answers = await asyncio.gather(
        *(do(lead, SAVE, articleId=each["id"], position=place) for each, place in zip(made, places, strict=True))
    )

    assert [answer.get("title") for answer in answers] == list("ABCDEFGH")
    rows = await database.rows("SELECT position FROM articles ORDER BY position")
    assert [row["position"] for row in rows] == list(range(8))


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"title": " ", "summary": "x" * 301, "body": "x" * 100_001}, ["title", "body", "summary"]),
        ({"title": "x" * 201}, ["title"]),
        ({"tags": [str(n) for n in range(21)]}, ["tags"]),
        ({"locale": "not a language"}, ["locale"]),
        ({"categoryId": "x"}, ["categoryId"]),
    ],
)
async def test_what_is_wrong_with_an_article_is_refused(create, database, guides, given, fields):
    before = await database.counts()

    assert [problem["field"] for problem in (await create(**given))["problems"]] == fields
    assert await database.counts() == before


async def test_what_must_be_there_can_not_be_taken_away(published, do, agent, database):
    article = await published()
    before = await database.counts()

    names = ("title", "summary", "body", "categoryId", "position", "audience")
    refused = await do(agent, SAVE, articleId=article["id"], **dict.fromkeys(names), tags=[str(n) for n in range(21)])

    assert [problem["field"] for problem in refused["problems"]] == [*names, "tags"]
    assert await database.counts() == before


async def test_a_key_makes_one_article(create, database):
    first, second = await create(idempotencyKey="k"), await create(idempotencyKey="k")

    assert first["id"] == second["id"]
    assert (await database.counts())["articles"] == 1


async def test_a_category_can_be_saved_whose_ticket_category_is_archived_since(
    api, save_category, house, admin, support
):
    gone = await house.category("Gone", support)
    category = await save_category(ticketCategoryIds=[gone.gid])
    archive = "mutation ($input: SaveCategoryInput!) { saveCategory(input: $input) { __typename } }"
    given = {"categoryId": gone.gid, "name": "Gone", "departmentId": support.gid, "archived": True}
    assert (await api(admin, archive, input=given))["saveCategory"]["__typename"] == "SaveCategorySuccess"

    saved = await save_category(articleCategoryId=category["id"], ticketCategoryIds=[gone.gid], description="How to.")

    assert saved == category | {"description": "How to."}
    assert saved["ticketCategories"] == [{"name": "Gone"}]


# --- Publishing later, withdrawing, going back ------------------------------------------------------------------------


async def test_publishing_later(desk, create, do, one, lead, customer, work, database):
    article = await create()
    at = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    planned = await do(lead, PUBLISH, articleId=article["id"], at=at.isoformat(), note="Soon.")
    assert planned["status"] == "DRAFT"
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert dt.datetime.fromisoformat(planned["publishesAt"]) == at
    await do(lead, SAVE, articleId=article["id"], body="Better.")  # what is published is the draft of that moment

    (row,) = await database.rows("UPDATE jobs SET due_at = now() WHERE kind = 'PublishArticle' RETURNING id")
    assert await jobs.perform(desk, row["id"])
    assert await one(customer, article) is None  # a job that comes too soon asks for another one
    assert await database.rows("SELECT due_at FROM jobs WHERE state = 'QUEUED'") == [{"due_at": at}]
    await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
    await database.rows("UPDATE articles SET publishes_at = now() - interval '2 days'")
    await work.run()

    seen = await one(lead, article)
    assert (seen["status"], seen["body"], seen["publishesAt"]) == ("PUBLISHED", "Better.", None)
    assert seen["versions"]["nodes"][0]["publishedBy"] == {"name": lead.name}
    assert seen["versions"]["nodes"][0]["note"] == "Soon."


async def test_a_new_version_is_published_later_and_nothing_else(
    create, published, do, one, lead, agent, work, database
):
    other, article = await create(title="Another"), await published()
    await do(agent, SAVE, articleId=article["id"], body="Better.")
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    await do(lead, PUBLISH, articleId=article["id"], at=tomorrow.isoformat())
    assert (await one(lead, article))["draft"]

    await database.rows("UPDATE articles SET publishes_at = now() - interval '2 days' WHERE publishes_at IS NOT NULL")
    await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
    await work.run()

    seen = await one(lead, article)
    assert (seen["body"], seen["draft"]) == ("Better.", None)
    assert (await one(lead, other))["status"] == "DRAFT"


async def test_a_moment_that_is_over_is_now(create, do, lead):
    article = await do(lead, PUBLISH, articleId=(await create())["id"], at="2026-01-01T00:00:00Z")

    assert (article["status"], article["publishesAt"]) == ("PUBLISHED", None)


async def test_what_was_planned_can_be_taken_back(create, do, one, lead, customer, work, database):
    article = await create()
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    await do(lead, PUBLISH, articleId=article["id"], at=at)
    assert len(await work.asked(PublishArticle)) == 1

    assert (await do(lead, PUBLISH, articleId=article["id"], at=None))["publishesAt"] is None
    await database.rows("UPDATE jobs SET due_at = now()")
    await work.run()

    assert await one(customer, article) is None
    refused = await do(lead, PUBLISH, articleId=article["id"], at="2100-01-01T00:00:00Z")
    assert refused["problems"] == [{"field": "at"}]


async def test_nothing_new_is_not_published_later(published, do, lead, database):
    article = await published()
    before = await database.counts()
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()

    assert (await do(lead, PUBLISH, articleId=article["id"], at=at))["reason"] == "WRONG_STATE"
    assert await database.counts() == before
    assert len((await do(lead, PUBLISH, articleId=article["id"]))["versions"]["nodes"]) == 1  # at once: it is so


async def test_a_draft_that_is_given_up_takes_along_what_was_planned(published, do, one, lead, agent, work, database):
    article = await published()
    await do(agent, SAVE, articleId=article["id"], body="Press it twice.")
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    assert (await do(lead, PUBLISH, articleId=article["id"], at=at))["publishesAt"]

    given_up = await do(agent, SAVE, articleId=article["id"], body=article["body"])
    assert (given_up["draft"], given_up["publishesAt"]) == (None, None)
    await do(agent, SAVE, articleId=article["id"], body="Half of")
    await database.rows("UPDATE jobs SET due_at = now()")
    await work.run()

    seen = await one(lead, article)
    assert (seen["body"], seen["draft"]["body"]) == (article["body"], "Half of")


@pytest.mark.parametrize("state", ["never published", "published", "archived"])
async def test_what_was_planned_is_not_the_text_of_one_who_may_not_publish(
    create, published, do, one, lead, agent, work, database, mailbox, state
):
    article = await (create() if state == "never published" else published())
    if state == "archived":
        await do(lead, ARCHIVE, articleId=article["id"])
    else:
        await do(agent, SAVE, articleId=article["id"], body="Looked at.")
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    planned = await do(lead, PUBLISH, articleId=article["id"], at=at)
    said = (planned["draft"] or planned)["body"]
    for harmless in ({"body": said}, {"tags": ["new"]}):
        assert (await do(agent, SAVE, articleId=article["id"], **harmless))["publishesAt"]

    assert (await do(agent, SAVE, articleId=article["id"], body="Not looked at."))["publishesAt"] is None

    await database.rows("UPDATE jobs SET due_at = now()")
    await work.run()
    seen = await one(lead, article)
    assert (seen["status"], seen["draft"]["body"]) == (planned["status"], "Not looked at.")
    reviews = "SELECT reason, assignee_id, requested_by_id FROM article_reviews WHERE closed_at IS NULL"
    asked = {"reason": "REQUESTED", "assignee_id": lead.id, "requested_by_id": agent.id}
    assert await database.rows(reviews) == [asked]
    assert [letter["Subject"] for letter in mailbox.to(lead.email)] == [f"Please review: {article['title']}"]
    assert (await do(lead, PUBLISH, articleId=article["id"]))["status"] == "PUBLISHED"
    assert await database.rows(reviews) == []


async def test_an_archived_article_comes_back(published, create, do, one, lead, customer):
    article = await published()
    for _ in range(2):
        assert (await do(lead, ARCHIVE, articleId=article["id"]))["status"] == "ARCHIVED"
    assert await one(customer, article) is None

    assert (await do(lead, PUBLISH, articleId=article["id"]))["status"] == "PUBLISHED"
    assert await one(customer, article)
    assert (await do(lead, ARCHIVE, articleId=(await create())["id"]))["reason"] == "WRONG_STATE"


async def test_a_former_version_comes_back_as_the_draft(published, do, agent, lead, database):
    article = await published()
    await do(agent, SAVE, articleId=article["id"], title="Second")
    second = await do(lead, PUBLISH, articleId=article["id"])

    restored = await do(agent, RESTORE, versionId=second["versions"]["nodes"][1]["id"])

    assert (restored["title"], restored["draft"]["title"], restored["draft"]["number"]) == (
        "Second", "Reset a password", 3
    )  # fmt: skip
    before = await database.counts()
    assert (await do(agent, RESTORE, versionId=f"arv_{NOWHERE}"))["__typename"] == "NotFound"
    assert await database.counts() == before


# --- Who sees what ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def hidden(published, create, do, lead, agent):
    """Articles that customers may not know of: a draft, an archived one, one for staff; and one with a draft."""
    draft = await create(title="Canary draft")
    archived = await published(title="Canary archived")
    await do(lead, ARCHIVE, articleId=archived["id"])
    staff = await published(title="Canary staff", audience="STAFF")
    shown = await published(title="Plain")
    drafted = await do(agent, SAVE, articleId=shown["id"], title="Canary title", body="Canary body")
    return SimpleNamespace(articles=[draft, archived, staff], drafted=drafted)


async def test_what_is_not_for_readers_is_not_there(api, hidden, one, customer):
    for viewer in (None, customer):
        for article in hidden.articles:
            assert await one(viewer, article) is None
            assert (await api(viewer, BY_SLUG, slug=article["slug"]))["articleBySlug"] is None
            if viewer:
                assert (await api(viewer, NODE, id=article["id"]))["node"] is None
        listed = (await api(viewer, IN_CATEGORY))["articleCategories"]["nodes"]
        assert [node["articles"]["totalCount"] for node in listed] == [1]
        seen = await one(viewer, hidden.drafted)
        assert "Canary" not in str(seen)
        assert (seen["draft"], seen["author"], seen["versions"]["nodes"], seen["viewerCan"]) == (
            None,
            None,
            [],
            ["GIVE_FEEDBACK"],
        )
        if viewer:
            assert (await api(viewer, NODE, id=hidden.drafted["draft"]["id"]))["node"] is None


async def test_what_is_for_customers_is_for_whoever_is_signed_in(published, one, customer):
    article = await published(audience="CUSTOMERS")

    assert await one(customer, article)
    assert await one(None, article) is None


async def test_staff_see_all_and_what_they_can_do(hidden, one, agent, lead):
    for article in hidden.articles:
        assert await one(agent, article)
    assert (await one(agent, hidden.drafted))["viewerCan"] == ["GIVE_FEEDBACK", "EDIT", "REVIEW"]
    assert (await one(lead, hidden.drafted))["viewerCan"] == ["GIVE_FEEDBACK", "EDIT", "PUBLISH", "ARCHIVE", "REVIEW"]
    assert (await one(lead, hidden.articles[1]))["viewerCan"] == ["EDIT", "PUBLISH", "REVIEW"]


async def test_writing_is_for_staff_and_publishing_for_leads(create, published, do, hidden, agent, customer, database):
    article = hidden.drafted
    before = await database.counts()

    assert (await create(customer))["__typename"] == "NotAllowed"
    assert (await do(customer, SAVE, articleId=article["id"], title="X"))["__typename"] == "NotAllowed"
    assert (await do(customer, RESTORE, versionId=article["draft"]["id"]))["__typename"] == "NotAllowed"
    for viewer in (agent, customer):
        assert (await do(viewer, PUBLISH, articleId=article["id"]))["__typename"] == "NotAllowed"
        assert (await do(viewer, PUBLISH, articleId=article["id"], at=None))["__typename"] == "NotAllowed"
        assert (await do(viewer, ARCHIVE, articleId=article["id"]))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_an_article_from_a_ticket_needs_sight_of_it(create, billing_agent, agent, ticket, database):
    before = await database.counts()

    for ticket_id in (ticket.gid, f"tkt_{NOWHERE}"):
        refused = await create(billing_agent, fromTicketId=ticket_id)
        assert (refused["__typename"], refused["field"]) == ("NotFound", "fromTicketId")
    assert await database.counts() == before
    await create(agent, fromTicketId=ticket.gid)
    assert [row["from_ticket_id"] for row in await database.rows("SELECT from_ticket_id FROM articles")] == [
        ticket.uuid
    ]
