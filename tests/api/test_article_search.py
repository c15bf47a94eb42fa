"""Finding articles: lists, words in any form and misspelt, where they were found, and suggestions while one types."""

import itertools

import orjson
import pytest

from domain import refusals
from domain.access import Viewer
from domain.articles import lists
from planner.engine import Engine
from resolvers.root import schema
from schema.context import Context

CATEGORY = """mutation ($input: SaveArticleCategoryInput!) { saveArticleCategory(input: $input) {
  ... on SaveArticleCategorySuccess { articleCategory { id } } } }"""
CREATE = """mutation ($input: CreateArticleInput!) { createArticle(input: $input) {
  ... on CreateArticleSuccess { article { id } } } }"""
PUBLISH = """mutation ($input: PublishArticleInput!) { publishArticle(input: $input) {
  ... on PublishArticleSuccess { article { id } } } }"""
ARCHIVE = PUBLISH.replace("publishArticle", "archiveArticle").replace("PublishArticle", "ArchiveArticle")
SAVE = PUBLISH.replace("publishArticle", "saveArticleDraft").replace("PublishArticle", "SaveArticleDraft")
LIST = """query ($filter: ArticleFilter, $orderBy: ArticleOrder, $first: Int, $after: String) {
  articles(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    totalCount pageInfo { endCursor hasNextPage } edges { highlightHtml node { title } } } }"""
SUGGEST = """query ($text: String!, $categoryId: ID, $first: Int! = 5) {
  articleSuggestions(text: $text, categoryId: $categoryId, first: $first) {
    score excerptHtml article { title related { title } } } }"""


@pytest.fixture
def category(api, lead):
    """Makes a category, and gives its id."""

    async def made(name, **given):
        return (await api(lead, CATEGORY, input={"name": name} | given))["saveArticleCategory"]["articleCategory"]["id"]

    return made


@pytest.fixture
async def guides(category):
    return await category("Guides")


@pytest.fixture
def publish(api, lead, guides):
    """Publishes an article, and gives its id."""

    async def made(title, body="", **given):
        given = {"title": title, "body": body, "categoryId": guides, "summary": "."} | given
        article = (await api(lead, CREATE, input=given))["createArticle"]["article"]
        await api(lead, PUBLISH, input={"articleId": article["id"]})
        return article["id"]

    return made


@pytest.fixture
def titles(api):
    """The titles in a list."""

    async def found(viewer=None, order_by=None, **filter_):
        edges = (await api(viewer, LIST, filter=filter_, orderBy=order_by))["articles"]["edges"]
        return [edge["node"]["title"] for edge in edges]

    return found


async def test_words_are_found_in_their_forms(publish, titles):
    await publish("Resetting a password")
    await publish("Rechnungen bezahlen", "So geht es.", locale="de")
    await publish("Something else", "Words of no matter.")

    assert await titles(text="reset") == ["Resetting a password"]
    assert await titles(text="passwords") == ["Resetting a password"]
    assert await titles(text="Rechnung") == ["Rechnungen bezahlen"]
    assert await titles(text="passw") == ["Resetting a password"]
    assert await titles(text="nothing of the kind") == []


@pytest.mark.parametrize("text", ["pasword", "passwrod", "resetting pasword", "paswords"])
async def test_misspelt_words_are_found(publish, titles, text):
    await publish("Resetting a password")
    await publish("Resetting a printer")
    await publish("Something else")

    assert await titles(text=text) == ["Resetting a password"]


TYPESET = "Ask Sarah\u2019s team? Press “reset”—twice… «Après l\u2019été», dit\u00a0-elle:\u202fvoilà. Soft\u00adware"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("sarah", "Ask <mark>Sarah</mark>\u2019s team?"),
        ("sarah\u2019s", "Ask <mark>Sarah</mark>\u2019"),
        ("reset", "Press “<mark>reset</mark>”—twice…"),
        ("twice", "Press “reset”—<mark>twice</mark>…"),
        ("“reset twice”", "Press “<mark>reset</mark>”—<mark>twice</mark>…"),
        ("été", "l\u2019<mark>été</mark>»"),
        ("apres", "«<mark>Après</mark> l\u2019"),
        ("voila", "<mark>voilà</mark>"),
        ("software", "<mark>Software</mark>"),
    ],
)
async def test_words_end_at_the_signs_of_typesetters(publish, api, text, marked):
    await publish("Signing in", TYPESET)
    await publish("Something else")

    edges = (await api(None, LIST, filter={"text": text}))["articles"]["edges"]

    assert [edge["node"]["title"] for edge in edges] == ["Signing in"]
    assert marked in edges[0]["highlightHtml"]
    suggested = (await api(None, SUGGEST, text=text))["articleSuggestions"]
    assert [each["article"]["title"] for each in suggested] == ["Signing in"]


@pytest.mark.parametrize(
    ("text", "found", "marked"),
    [
        ("密码", ["重置密码"], "<mark>密码</mark>"),
        ("忘记", ["重置密码"], "<mark>忘记</mark>了密码"),
        ("手机", ["重置密码"], "iPhone<mark>手机</mark>"),
        ("这里 -密码", ["码头密室"], "<mark>这里</mark>"),
        ("密置", [], None),
        ("再設定", ["パスワードの再設定"], "<mark>再設定</mark>"),
        ("パスワード", ["パスワードの再設定"], "<mark>パスワード</mark>"),
    ],
)
async def test_words_of_languages_that_write_without_spaces(publish, api, text, found, marked):
    await publish("重置密码", "如果您忘记了密码。请点击这里。iPhone手机也可以。", locale="zh")
    await publish("码头密室", "这里没有。", locale="zh")
    await publish("パスワードの再設定", "こちらから再設定してください。", locale="ja")

    edges = (await api(None, LIST, filter={"text": text}))["articles"]["edges"]

    assert [edge["node"]["title"] for edge in edges] == found
    assert all(marked in edge["highlightHtml"] for edge in edges)
    suggested = (await api(None, SUGGEST, text=text + "?"))["articleSuggestions"]
    assert not found or found[0] in [each["article"]["title"] for each in suggested]


async def test_what_a_misspelt_word_was_taken_for_is_marked(publish, api):
    await publish("Where are my bills?", "Invoices are sent each month.")

    (edge,) = (await api(None, LIST, filter={"text": "invocies"}))["articles"]["edges"]
    (found,) = (await api(None, SUGGEST, text="invocies"))["articleSuggestions"]
    assert "<mark>Invoices</mark> are" in edge["highlightHtml"]
    assert "<mark>Invoices</mark> are" in found["excerptHtml"]


async def test_it_is_found_in_body_summary_and_tags_and_best_in_the_title(publish, titles):
    await publish("In the body", "The printer is out of paper. " + "Other words stand here. " * 20)
    await publish("In the summary", summary="How to mend a printer.")
    await publish("In tags", tags=["printer"])
    await publish("Printer")

    found = await titles(text="printer")

    assert sorted(found) == ["In tags", "In the body", "In the summary", "Printer"]
    assert found[-1] == "In the body"
    assert await titles(text='"out of paper"') == ["In the body"]
    assert await titles(text="printer -paper -mend -tags") == ["Printer"]


@pytest.mark.parametrize("text", ["'", "''", "a:*", "!", "&|", "\\", '"', "- -", "or or", "(", "<->", "' | 'x", "%"])
async def test_odd_words_break_nothing(publish, titles, api, text):
    await publish("Something")

    assert await titles(text=text) in ([], ["Something"])
    assert (await api(None, SUGGEST, text=text * 3))["articleSuggestions"] is not None


async def test_where_it_was_found_is_safe_to_show(publish, api):
    await publish("Printers", "Among all the Printers < here & there stands one more")

    (edge,) = (await api(None, LIST, filter={"text": "printer"}))["articles"]["edges"]

    assert "<mark>Printers</mark>" in edge["highlightHtml"]
    assert "<mark>Printers</mark> &lt; here &amp; there" in edge["highlightHtml"]
    assert (await api(None, LIST))["articles"]["edges"][0]["highlightHtml"] is None


async def test_conditions_and_orders(publish, titles, category, lead):
    first = await category("First", position=0)
    below = await category("Below", parentId=first)
    await publish("C", categoryId=below, tags=["x"])
    await publish("B", locale="de")
    await publish("A", categoryId=first, audience="CUSTOMERS")

    assert await titles(lead) == ["A", "C", "B"]
    assert await titles(lead, {"field": "CATEGORY", "direction": "DESC"}) == ["B", "C", "A"]
    assert await titles(lead, {"field": "UPDATED_AT", "direction": "DESC"}) == ["A", "B", "C"]
    assert await titles(lead, categoryIds=[first]) == ["A", "C"]
    assert await titles(lead, audiences=["CUSTOMERS"]) == ["A"]
    assert await titles(lead, tags=["X", "y"]) == ["C"]
    assert await titles(lead, locale="DE") == ["B"]
    assert await titles(lead, statuses=["DRAFT"]) == []
    assert await titles() == ["C", "B"]


async def test_pages_go_on_in_any_order(publish, api):
    for letter in "ABCDE":
        await publish(f"Printer {letter}", "printer " * ord(letter))
    for field, text in (("CATEGORY", None), ("UPDATED_AT", None), ("RELEVANCE", "printer")):
        for direction in ("ASC", "DESC"):
            given = {"filter": {"text": text}, "orderBy": {"field": field, "direction": direction}}
            everything = [e["node"] for e in (await api(None, LIST, **given))["articles"]["edges"]]
            found, after = [], None
            for _ in range(5):
                page = (await api(None, LIST, first=1, after=after, **given))["articles"]
                found += [edge["node"] for edge in page["edges"]]
                after = page["pageInfo"]["endCursor"]
            assert found == everything
            assert not page["pageInfo"]["hasNextPage"]


async def test_those_that_fit_best_are_among_the_newest(publish, desk, monkeypatch):
    """So many are ordered by how well they fit, and no more; which those are, no page changes."""
    for letter in "ABCDE":
        await publish(f"Printer {letter}", "printer " * ord(letter))
    listed = """query ($first: Int, $after: String, $last: Int, $before: String, $to: OrderDirection!) {
        articles(filter: {text: "printer"}, first: $first, after: $after, last: $last, before: $before,
                 orderBy: {field: RELEVANCE, direction: $to}) {
            totalCount nodes { title } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }"""

    async def page(engine, **given):
        viewer = Viewer(None, None)
        answer = await engine.query(listed, given, None, viewer, Context(desk, engine, viewer))
        found = orjson.loads(answer.body)["data"]["articles"]
        assert found["totalCount"] == 5
        return [node["title"] for node in found["nodes"]], found["pageInfo"]

    engines = [Engine(schema, desk.reads, refusals=refusals.Refusal, report=repr, given=desk) for _ in range(2)]
    all_of_them = {to: (await page(engines[0], to=to))[0] for to in ("ASC", "DESC")}
    monkeypatch.setattr(lists, "MOST_RANKED", 3)
    for to, titles in all_of_them.items():
        best = [title for title in titles if title[-1] in "CDE"]
        first, info = await page(engines[1], to=to, first=2)
        assert (first, info["hasNextPage"]) == (best[:2], True)
        rest, info = await page(engines[1], to=to, first=2, after=info["endCursor"])
        assert (rest, info["hasNextPage"], info["hasPreviousPage"]) == (best[2:], False, True)
        last, info = await page(engines[1], to=to, last=2)
        assert (last, info["hasPreviousPage"]) == (best[1:], True)
        rest, info = await page(engines[1], to=to, last=2, before=info["startCursor"])
        assert (rest, info["hasPreviousPage"], info["hasNextPage"]) == (best[:1], False, True)


async def test_what_is_refused(api, customer, publish):
    by_relevance = {"field": "RELEVANCE", "direction": "DESC"}
    assert await api.refused(customer, LIST, orderBy=by_relevance) == "BAD_REQUEST"
    assert await api.refused(customer, LIST, filter={"text": "x" * 201}) == "BAD_REQUEST"
    assert await api.refused(customer, LIST, filter={"statuses": ["DRAFT"]}) == "NOT_ALLOWED"
    assert await api.refused(None, LIST, filter={"statuses": ["ARCHIVED"]}) == "UNAUTHENTICATED"
    assert await api.refused(None, SUGGEST, text="x" * 2001) == "BAD_REQUEST"
    assert await api.refused(None, SUGGEST, text="printer", first=11) == "BAD_REQUEST"


async def test_what_is_not_for_readers_is_not_found(api, publish, titles, guides, lead, customer):
    await publish("Canary staff", "zebra", audience="STAFF")
    archived = await publish("Canary archived", "zebra")
    await api(lead, ARCHIVE, input={"articleId": archived})
    await api(lead, CREATE, input={"title": "Canary draft", "body": "zebra", "categoryId": guides})
    shown = await publish("Shown", "zebra")
    await api(lead, SAVE, input={"articleId": shown, "body": "zebra giraffe"})

    for viewer in (None, customer):
        assert await titles(viewer, text="zebra") == ["Shown"]
        assert await titles(viewer, text="canary") == await titles(viewer, text="giraffe") == []
        assert (await api(viewer, LIST, filter={"text": "zebra"}))["articles"]["totalCount"] == 1
        assert [
            each["article"] for each in (await api(viewer, SUGGEST, text="zebra canary"))["articleSuggestions"]
        ] == [{"title": "Shown", "related": []}]
    assert set(await titles(lead, statuses=["DRAFT", "ARCHIVED"], text="zebra")) == {"Canary archived", "Canary draft"}


async def test_words_of_others_correct_nobody(publish, titles, customer, lead):
    await publish("Staff say passwort", audience="STAFF")
    await publish("Password")

    assert await titles(customer, text="passwort") == ["Password"]  # unknown to customers, so it is misspelt
    assert await titles(lead, text="passwort") == ["Staff say passwort"]


async def test_the_words_of_former_versions_are_not_found(api, publish, titles, lead, database):
    article = await publish("Printer", "zebra")
    await api(lead, SAVE, input={"articleId": article, "body": "giraffe"})
    await api(lead, PUBLISH, input={"articleId": article})

    assert await titles(text="zebra") == []
    assert await titles(text="giraffe") == ["Printer"]
    counted = await database.rows("SELECT word FROM article_terms WHERE articles > 0 AND audience = 'STAFF'")
    assert counted == []
    assert await database.rows("SELECT word FROM article_terms WHERE articles < 0") == []
    (zebras,) = await database.rows("SELECT articles FROM article_terms WHERE word = 'zebra' AND audience = 'PUBLIC'")
    assert zebras == {"articles": 0}


async def test_suggestions_come_best_first(api, publish, category, problem):
    theirs = await category("Errors", ticketCategoryIds=[problem.gid])
    await publish("Reset your password", "Press *reset* on the **page** for signing in.")
    await publish("Pay an invoice", "Passwords are not needed for that.")
    await publish("Something else", "Nothing of the kind.")
    await publish("Reset your password again", "Press reset on the page for signing in.", categoryId=theirs)
    question = "I can't sign in, how do I reset my pasword?"

    async def suggested(**given):
        return (await api(None, SUGGEST, text=question, **given))["articleSuggestions"]

    found = await suggested()
    assert [each["article"]["title"] for each in found][-1] == "Pay an invoice"
    assert len(found) == 3
    assert all(0 < each["score"] <= 1 for each in found)
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)
    # Once, though the summary is the beginning of the text.
    excerpts = {each["article"]["title"]: each["excerptHtml"] for each in found}
    assert excerpts["Reset your password"] == "Press <mark>reset</mark> on the page for <mark>signing</mark>"
    assert {"title": "Pay an invoice"} in found[0]["article"]["related"]
    assert (await suggested(categoryId=problem.gid, first=1))[0]["article"]["title"] == "Reset your password again"
    assert (await api(None, SUGGEST, text="re"))["articleSuggestions"] == []


async def test_what_is_shown_of_a_text_reads_as_one(api, publish):
    body = """# Before you begin
Look at [the *page* of keys](https://example.com/keys?a=1&b=2).

## Is the `modem` on?
1. Hold __down__ the key
2. Count to < 30 & let go

> **Modem** lights

| Light | Means |
| --- | --- |
| red | off |
"""
    await publish("Start anew", body, summary="When nothing works.", tags=["router"])

    (found,) = (await api(None, SUGGEST, text="modem"))["articleSuggestions"]
    (edge,) = (await api(None, LIST, filter={"text": "modem router"}))["articles"]["edges"]

    read = (
        "When nothing works. · Before you begin: Look at the page of keys. Is the <mark>modem</mark> on? "
        "Hold down the key Count to &lt; 30 &amp; let go <mark>Modem</mark> lights Light Means"
    )
    assert found["excerptHtml"] == read
    assert edge["highlightHtml"].startswith("Start anew · <mark>router</mark> · When nothing works. · Before you begin")


async def test_each_letter_that_is_typed_gives_an_answer(api, publish):
    await publish("Reset your password")
    typed = list(itertools.accumulate("password"))

    found = [bool((await api(None, SUGGEST, text=text))["articleSuggestions"]) for text in typed]

    assert found == [False] * 3 + [True] * 5


async def test_a_ticket_suggests_articles_to_whoever_works_on_it(api, publish, submit, customer, problem, agent):
    await publish("Reset your password")
    await publish("For staff: password of the printer", audience="STAFF")
    asked = await submit(customer, problem, subject="My pasword", body="I forgot it.")
    query = "query ($id: ID!) { ticket(id: $id) { suggestedArticles { article { title } } } }"

    async def suggested(viewer):
        found = (await api(viewer, query, id=asked["id"]))["ticket"]["suggestedArticles"]
        return {each["article"]["title"] for each in found}

    assert await suggested(agent) == {"Reset your password", "For staff: password of the printer"}
    assert await suggested(customer) == set()
