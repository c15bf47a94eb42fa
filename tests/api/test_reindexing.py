"""Writing anew what tickets and articles are found by: as this version reads all that is there, and nothing else."""

from uuid import UUID

import pytest

from domain import reindexing

FIND = """query ($text: String!) {
  tickets(filter: {text: $text}) { nodes { subject } } articles(filter: {text: $text}) { nodes { title } } }"""
COMMENT = """mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"""
NOTE = """mutation ($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"""
CATEGORY = """mutation { saveArticleCategory(input: {name: "Guides"}) {
  ... on SaveArticleCategorySuccess { articleCategory { id } } } }"""
CREATE = """mutation ($input: CreateArticleInput!) { createArticle(input: $input) {
  ... on CreateArticleSuccess { article { id } } } }"""
PUBLISH = """mutation ($id: ID!) { publishArticle(input: {articleId: $id}) { __typename } }"""
# As a version would have written them that did not part words as this one does.
BEFORE = (
    "UPDATE ticket_words SET words = to_tsvector('simple', 'something else') WHERE words @@ to_tsquery('simple', '码')",
    "UPDATE article_words SET heading = to_tsvector('simple', 'else'), words = to_tsvector('simple', 'something else')",
)


@pytest.fixture
def found(api):
    """The tickets and articles that a text finds."""

    async def of(viewer, text):
        answer = await api(viewer, FIND, text=text)
        return sorted(node.get("subject") or node["title"] for each in answer.values() for node in each["nodes"])

    return of


async def test_all_that_was_written_is_found_as_it_is_read_now(
    api, submit, settings, database, found, customer, agent, lead, problem, support
):
    texts = {
        "body": await submit(customer, problem, subject="In the body", body="我忘记了密码"),
        "heading": await submit(customer, problem, subject="忘记密码", body="Help!"),
        "tags": await submit(agent, problem, subject="In a tag", body=".", requesterId=customer.gid, tags=["密码"]),
        "comment": await submit(customer, problem, subject="In a comment", body="."),
        "note": await submit(customer, problem, subject="In a note", body="."),
        "none": await submit(customer, problem, subject="Nowhere", body="Nothing"),
    }
    await api(customer, COMMENT, input={"ticketId": texts["comment"]["id"], "body": "重置密码"})
    await api(agent, NOTE, input={"ticketId": texts["note"]["id"], "body": "密码 for the desk alone"})
    guides = (await api(lead, CATEGORY))["saveArticleCategory"]["articleCategory"]["id"]
    article = {"title": "重置密码", "summary": ".", "body": "…", "categoryId": guides, "locale": "zh"}
    made = (await api(lead, CREATE, input=article))["createArticle"]["article"]["id"]
    await api(lead, PUBLISH, id=made)
    by_staff = sorted(["In the body", "忘记密码", "In a tag", "In a comment", "In a note", "重置密码"])
    by_customer = sorted(["In the body", "忘记密码", "In a comment", "重置密码"])
    assert (await found(agent, "密码"), await found(customer, "密码")) == (by_staff, by_customer)
    for statement in BEFORE:
        await database.rows(statement)
    assert await found(agent, "密码") == []
    stays = "SELECT xmin::text FROM ticket_words WHERE ticket_id = :id"
    before = await database.rows(stays, id=UUID(texts["none"]["id"].removeprefix("tkt_")))

    told = []
    assert await reindexing.reindex(settings, lambda *so_many: told.append(so_many)) == len(texts) + 1

    assert told[-1] == (len(texts) + 1, len(texts) + 1)
    assert (await found(agent, "密码"), await found(customer, "密码")) == (by_staff, by_customer)
    assert await found(agent, "nothing") == ["Nowhere"]
    assert await database.rows(stays, id=UUID(texts["none"]["id"].removeprefix("tkt_"))) == before


async def test_batches_leave_nobody_out(submit, settings, database, found, customer, problem, monkeypatch):
    monkeypatch.setattr(reindexing, "BATCH", 2)
    for number in range(5):
        await submit(customer, problem, subject=f"{number}", body="密码")
    await database.rows(BEFORE[0])

    assert await reindexing.reindex(settings, lambda *_: None) == 5

    assert await found(customer, "密码") == ["0", "1", "2", "3", "4"]
