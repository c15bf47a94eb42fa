"""What readers think of articles: giving it with and without an account, what it comes to, and who sees it."""

import asyncio
import datetime as dt
from types import SimpleNamespace

import pytest
from knowledge import GIVE, REVIEWS

from domain import sessions
from domain.articles import publishing, views, writing
from domain.metrics import counting, rebuilding
from infra.unit import now
from models import ArticleAudience, Role

LIST = """query ($order: ArticleOrder, $filter: ArticleFilter) {
  articles(orderBy: $order, filter: $filter) { nodes { id } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"
NOWHERE = "art_00000000-0000-7000-8000-000000000000"


# --- Giving it --------------------------------------------------------------------------------------------------------


async def test_a_customer_says_what_they_think(give, look, article, customer, agent):
    kept = await give(customer, article, helpful=True, rating=5, comment=" Thanks!\r\nIt worked. ")

    assert kept["article"] == {"id": article.gid}
    assert (kept["versionNumber"], kept["helpful"], kept["rating"]) == (1, True, 5)
    assert (kept["comment"], kept["source"], kept["person"]) == (
        "Thanks!\nIt worked.",
        "ARTICLE",
        {"name": "Carla Customer"},
    )
    assert (await look(customer, article))["viewerFeedback"] == kept
    assert (await look(agent, article))["feedback"] == {"totalCount": 1, "nodes": [kept]}


async def test_what_is_said_of_one_article_stands_at_no_other(
    api, give, look, publish, article, customer, stranger, agent
):
    other = await publish("Another")
    before = [await look(who, article) for who in (customer, agent)]

    await give(customer, other, helpful=False, rating=1, comment="It is wrong.")

    assert [await look(who, article) for who in (customer, agent)] == before
    await give(stranger, article, rating=2)
    found = (await api(agent, REVIEWS, filter={}))["articleReviews"]["nodes"]
    said = {each["article"]["id"]: [one["rating"] for one in each["feedback"]["nodes"]] for each in found}
    assert said == {other.gid: [1], article.gid: [2]}


async def test_a_session_for_one_ticket_reads_nothing_of_what_its_person_said(
    api, desk, give, look, article, publish, customer, ticket
):
    said = await give(customer, article, comment="For the desk alone.")
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, ticket_id=ticket.uuid)
    by_link = SimpleNamespace(token=opened.access_token)

    assert (await look(by_link, article))["viewerFeedback"] is None
    assert await api(by_link, NODE, id=said["id"]) == {"node": None}
    another = await publish("Another one")
    given = await give(by_link, another, helpful=True, idempotencyKey="once")
    assert given["helpful"] is True
    assert await give(by_link, another, helpful=True, idempotencyKey="once") == given


async def test_a_link_about_a_ticket_does_not_speak_for_its_person_elsewhere(
    api, desk, give, look, article, customer, agent, ticket
):
    said = await give(customer, article, rating=5, comment="It helped.")
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, ticket_id=ticket.uuid)
    by_link = SimpleNamespace(token=opened.access_token)

    found = [await give(by_link, article, rating=4, comment=text) for text in ("Whose words?", "Others.")]

    assert found[0]["id"] == found[1]["id"] != said["id"]
    assert found[1]["person"] is None
    assert (await look(customer, article))["viewerFeedback"] == said
    told = (await look(agent, article))["feedback"]["nodes"]
    assert {(each["comment"], bool(each["person"])) for each in told} == {("It helped.", True), ("Others.", False)}


async def test_what_is_said_again_replaces_it(give, look, article, customer, agent):
    first = await give(customer, article, helpful=True, rating=5, comment="Good")
    second = await give(customer, article, rating=3, source="TICKET")

    assert second["id"] == first["id"]
    assert (second["helpful"], second["rating"], second["comment"], second["source"]) == (None, 3, None, "TICKET")
    assert second["at"] > first["at"]
    stats = (await look(agent, article))["feedbackStats"]
    assert (stats["helpfulCount"], stats["ratingCounts"], stats["commentCount"]) == (0, [0, 0, 1, 0, 0], 0)


async def test_each_version_has_its_own(give, look, as_lead, article, customer, agent):
    await give(customer, article, helpful=False)
    await as_lead(writing.save_draft, article.id, {"body": "Better."}, None)
    await as_lead(publishing.publish, article.id, None, None)

    assert (await look(customer, article))["viewerFeedback"]["versionNumber"] == 1
    second = await give(customer, article, helpful=True)
    assert second["versionNumber"] == 2
    seen = await look(agent, article)
    assert [each["versionNumber"] for each in seen["feedback"]["nodes"]] == [2, 1]
    assert (seen["feedbackStats"]["helpfulCount"], seen["feedbackStats"]["unhelpfulCount"]) == (1, 0)
    ever = (await look(agent, article, range={}))["feedbackStats"]
    assert (ever["helpfulCount"], ever["unhelpfulCount"], ever["helpfulShare"]) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, ["helpful"]),
        ({"comment": "  \n "}, ["helpful"]),
        ({"rating": 0}, ["rating"]),
        ({"rating": 6}, ["rating"]),
        ({"rating": 7, "comment": "x" * 2001}, ["rating", "comment"]),
    ],
)
async def test_what_says_nothing_or_too_much_is_refused(give, article, customer, database, said, fields):
    before = await database.counts()

    answer = await give(customer, article, **said)

    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


async def test_who_may_not_read_an_article_cannot_tell_that_it_is_there(
    api, give, publish, customer, visitor, agent, database
):
    hidden = [await publish("Canary", ArticleAudience.STAFF), await publish("Canary draft", out=False)]
    theirs = await publish("For customers", ArticleAudience.CUSTOMERS)
    before = await database.counts()

    for viewer in (customer, visitor(), None):
        missing = (await api(viewer, GIVE, input={"articleId": NOWHERE, "helpful": True}))["giveArticleFeedback"]
        assert missing["__typename"] == "NotFound"
        for article in [*hidden, *([] if viewer is customer else [theirs])]:
            assert await give(viewer, article, helpful=True) == missing
    answer = await give(agent, hidden[1], helpful=True)
    assert (answer["reason"], answer["current"]["id"]) == ("WRONG_STATE", hidden[1].gid)
    assert await database.counts() == before
    assert (await give(customer, theirs, helpful=True))["helpful"]


async def test_what_somebody_said_goes_out_of_sight_with_the_article(
    api, give, look, as_lead, article, customer, agent
):
    kept = await give(customer, article, helpful=True)
    assert (await api(customer, NODE, id=kept["id"]))["node"] == {"id": kept["id"]}
    await as_lead(publishing.archive, article.id)

    assert (await api(customer, NODE, id=kept["id"]))["node"] is None
    assert (await look(agent, article))["feedback"]["totalCount"] == 1


async def test_a_program_that_may_only_read_says_nothing(api, article, agent):
    made = await api(
        agent,
        """mutation { createApiToken(input: {name: "Reads", scope: READ}) {
             ... on CreateApiTokenSuccess { token } } }""",
    )
    program = type("Program", (), {"token": made["createApiToken"]["token"]})

    given = {"articleId": article.gid, "helpful": True}
    assert await api.refused(program, GIVE, input=given) == "NOT_ALLOWED"


# --- Visitors ---------------------------------------------------------------------------------------------------------


async def test_visitors_have_what_they_said_and_nobody_else(give, look, article, visitor, agent):
    one, other = visitor(), visitor()
    kept = await give(one, article, helpful=False, comment="It did not")

    assert kept["person"] is None
    assert (await look(one, article))["viewerFeedback"] == kept
    assert (await look(other, article))["viewerFeedback"] is None
    again = await give(one, article, helpful=True)
    assert again["id"] == kept["id"]
    assert (await give(other, article, helpful=True))["id"] != kept["id"]
    assert (await look(agent, article))["feedback"]["totalCount"] == 2


async def test_customers_and_visitors_see_of_others_nothing(give, look, article, visitor, customer, stranger, agent):
    await give(customer, article, rating=1, comment="Canary")

    for viewer in (stranger, visitor(), None):
        seen = await look(viewer, article)
        assert "Canary" not in str(seen)
        assert (seen["feedbackStats"], seen["openReview"], seen["viewerFeedback"]) == (None, None, None)
        assert seen["feedback"] == {"totalCount": 0, "nodes": []}
        assert seen["viewerCan"] == ["GIVE_FEEDBACK"]
    assert (await look(agent, article))["openReview"]["reason"] == "POOR_RATING"


async def test_the_same_key_is_done_once_though_the_first_answer_was_lost(api, http, article, database):
    given = {"articleId": article.gid, "helpful": True, "idempotencyKey": "once"}
    answers = []
    for _ in range(2):
        http.cookies.clear()  # whoever lost the answer was not told who they are
        answers.append((await api(None, GIVE, input=given))["giveArticleFeedback"])
    assert answers[0] == answers[1]
    assert len(await database.rows("SELECT id FROM article_feedback")) == 1

    visitor = http.cookies["visitor"]
    again = (await api(None, GIVE, input=given | {"helpful": False}))["giveArticleFeedback"]
    assert again["reason"] == "KEY_REUSED"
    assert http.cookies["visitor"] == visitor


async def test_who_has_a_key_like_anothers_is_not_taken_for_them(api, http, article, publish, look, database):
    """Though both are of one network, and neither was here before."""
    given = {"articleId": article.gid, "comment": "Canary", "idempotencyKey": "1"}
    first = (await api(None, GIVE, input=given))["giveArticleFeedback"]["feedback"]
    theirs = http.cookies["visitor"]
    http.cookies.clear()

    second = (await api(None, GIVE, input=given | {"comment": None, "helpful": True}))["giveArticleFeedback"][
        "feedback"
    ]

    assert first["comment"] == "Canary"
    assert "Canary" not in str(second)
    assert http.cookies["visitor"] != theirs
    assert (await look(None, article))["viewerFeedback"] == second


async def test_a_key_that_was_forgotten_is_of_nobody_any_more(api, http, article, database):
    given, found = {"articleId": article.gid, "helpful": True, "idempotencyKey": "1"}, []
    for _ in range(2):
        http.cookies.clear()
        found.append((await api(None, GIVE, input=given))["giveArticleFeedback"]["feedback"]["id"])
        await database.rows("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")

    assert found[0] != found[1]


async def test_two_with_the_same_key_at_once_are_one(api, article, visitor, database):
    one, given = visitor(), {"articleId": article.gid, "helpful": True, "idempotencyKey": "at once"}
    answers = await asyncio.gather(*(api(one, GIVE, input=given) for _ in range(3)))
    assert answers[0] == answers[1] == answers[2]
    assert len(await database.rows("SELECT id FROM article_feedback")) == 1


async def test_a_network_gives_ten_an_hour_without_accounts(give, article, visitor, customer, database):
    for _ in range(10):
        assert (await give(visitor(), article, helpful=True))["helpful"]
    before = await database.counts()

    refused = await give(visitor(), article, helpful=True)

    assert refused["__typename"] == "RateLimited"
    assert 0 < refused["retryAfterSeconds"] <= 7200  # a window that slides
    assert await database.counts() == before
    assert (await give(customer, article, helpful=True))["helpful"]


# --- Views ------------------------------------------------------------------------------------------------------------


async def test_an_article_counts_as_opened_once_an_hour_for_each_reader(
    open_it, look, article, customer, visitor, agent, database
):
    one = visitor()
    for viewer in (customer, customer, one, one, visitor()):
        assert await open_it(viewer, article) == "RecordArticleViewSuccess"
    assert (await look(agent, article))["feedbackStats"]["viewCount"] == 3

    await database.rows("UPDATE article_readings SET at = at - interval '61 minutes'")
    await open_it(customer, article)
    assert (await look(agent, article))["feedbackStats"]["viewCount"] == 4


async def test_views_alone_are_one_row_however_many_had_an_opinion(
    api, open_it, give, article, customer, stranger, agent
):
    text = "query ($id: ID!) { article(id: $id) { feedbackStats { viewCount } } }"
    await open_it(customer, article)
    for opinions in ((), (customer,), (stranger,)):
        for reader in opinions:
            await give(reader, article, helpful=True)
        assert (await api(agent, text, id=article.gid))["article"]["feedbackStats"] == {"viewCount": 1}


async def test_views_within_a_span_and_of_a_version(open_it, look, article, as_lead, customer, agent, database):
    await open_it(customer, article)
    await database.rows("UPDATE article_views SET start = start - interval '2 days'")
    await database.rows("DELETE FROM article_readings")
    await as_lead(writing.save_draft, article.id, {"body": "Better."}, None)
    await as_lead(publishing.publish, article.id, None, None)
    await open_it(customer, article)

    async def count(**variables):
        return (await look(agent, article, **variables))["feedbackStats"]["viewCount"]

    day = (now() - dt.timedelta(days=1)).isoformat()
    assert await count() == 1
    assert await count(range={}) == 2
    assert await count(range={"from": day}) == await count(range={"to": day}) == 1


async def test_what_is_not_published_is_not_counted(open_it, publish, customer, agent, visitor, database):
    draft = await publish(out=False)
    before = await database.counts()

    assert await open_it(agent, draft) == "RecordArticleViewSuccess"
    assert await open_it(customer, draft) == await open_it(visitor(), draft) == "NotFound"
    assert await database.counts() == before


# --- Lists ------------------------------------------------------------------------------------------------------------


async def test_articles_by_views_and_by_who_found_them_helpful(
    desk, api, open_it, give, publish, customer, stranger, visitor, agent, database
):
    few, many, unsaid = [await publish(title) for title in ("Few", "Many", "Unsaid")]
    for _ in range(3):
        await open_it(visitor(), many)
    await open_it(visitor(), few)
    await give(customer, many, helpful=True)
    await give(stranger, many, helpful=False)
    await give(customer, few, helpful=True)
    await give(stranger, few, helpful=False)
    await give(stranger, few, helpful=True)  # they think otherwise now

    async def listed(viewer, field, direction="DESC", **asked):
        found = await api(viewer, LIST, order={"field": field, "direction": direction}, filter=asked)
        return [node["id"] for node in found["articles"]["nodes"]]

    for _ in range(2):
        for viewer in (customer, agent, None):
            assert await listed(viewer, "VIEWS") == [many.gid, few.gid, unsaid.gid]
            assert await listed(viewer, "VIEWS", "ASC") == [unsaid.gid, few.gid, many.gid]
        assert await listed(agent, "HELPFUL_SHARE") == [few.gid, many.gid, unsaid.gid]
        assert await listed(agent, "HELPFUL_SHARE", "ASC") == [many.gid, few.gid, unsaid.gid]
        await views.sweep(desk)  # counts it anew

    old = "now() - interval '31 days'"
    await database.rows(f"UPDATE article_views SET start = {old} WHERE article_id = :id", id=many.id)
    await database.rows(f"UPDATE article_feedback SET at = {old} WHERE article_id = :id", id=few.id)
    await views.sweep(desk)
    assert await listed(agent, "VIEWS") == [few.gid, *sorted([many.gid, unsaid.gid])]
    assert await listed(agent, "HELPFUL_SHARE") == [many.gid, *sorted([few.gid, unsaid.gid])]


async def test_orders_and_filters_of_staff_are_for_staff(api, give, article, publish, customer, agent):
    await give(customer, article, rating=1)
    fine = await publish("Fine")
    share = {"field": "HELPFUL_SHARE", "direction": "DESC"}

    for viewer, code in ((customer, "NOT_ALLOWED"), (None, "UNAUTHENTICATED")):
        assert await api.refused(viewer, LIST, order=share) == code
        assert await api.refused(viewer, LIST, filter={"inReview": True}) == code
        assert await api.refused(viewer, LIST, filter={"inReview": False}) == code

    for in_review, expected in ((True, article), (False, fine)):
        found = await api(agent, LIST, filter={"inReview": in_review})
        assert [node["id"] for node in found["articles"]["nodes"]] == [expected.gid]


async def test_feedback_is_listed_newest_first_and_by_each_condition(
    give, look, article, customer, stranger, agent, lead, database
):
    await give(customer, article, helpful=True, rating=5)
    await give(stranger, article, helpful=False, comment="No")
    await give(lead, article, rating=2)

    async def names(**asked):
        found = (await look(agent, article, filter=asked))["feedback"]
        assert found["totalCount"] == len(found["nodes"])
        return [node["person"]["name"].split()[0] for node in found["nodes"]]

    assert await names() == ["Lea", "Stella", "Carla"]
    assert await names(helpful=True) == ["Carla"]
    assert await names(helpful=False) == ["Stella"]
    assert await names(ratingAtMost=2) == ["Lea"]
    assert await names(commented=True) == ["Stella"]
    assert await names(commented=False) == ["Lea", "Carla"]
    assert await names(helpful=True, commented=True) == []
    await database.rows("UPDATE article_feedback SET at = at - interval '2 days' WHERE person_id = :id", id=customer.id)
    day = (now() - dt.timedelta(days=1)).isoformat()
    assert await names(given={"to": day}) == ["Carla"]
    assert await names(given={"from": day}) == ["Lea", "Stella"]
    stats = (await look(agent, article, range={"from": day}))["feedbackStats"]
    assert (stats["ratingCount"], stats["averageRating"], stats["helpfulShare"]) == (1, 2.0, 0.0)


# --- Tickets saved ----------------------------------------------------------------------------------------------------

SAVED = """query ($department: [ID!], $category: [ID!], $agent: [ID!]) { metrics(filter: {from: "2026-01-01T00:00:00Z",
  departmentIds: $department, categoryIds: $category, agentIds: $agent}) { total { deflectionCount }
  byDepartment { department { name } values { deflectionCount } } byCategory { category { name }
  values { deflectionCount } } byAgent { values { deflectionCount } } byPriority { values { deflectionCount } } } }"""


@pytest.fixture
def saved(api, desk, director):
    """The figures of tickets that articles saved."""

    async def count(viewer=director, **asked):
        await counting.add_up(desk)
        return (await api(viewer, SAVED, **asked))["metrics"]

    return count


async def test_a_ticket_that_was_not_submitted_counts_once(
    give, look, saved, article, customer, visitor, agent, support, billing, problem
):
    await give(customer, article, helpful=True, source="TICKET_FORM")
    await give(customer, article, helpful=True, source="TICKET_FORM")
    await give(customer, article, rating=5, source="ARTICLE")  # that it helped is still so
    await give(visitor(), article, helpful=True, source="TICKET_FORM")
    await give(visitor(), article, helpful=True, source="ARTICLE")
    await give(visitor(), article, helpful=False, source="TICKET_FORM")

    found = await saved()
    assert found["total"] == {"deflectionCount": 2}
    assert found["byDepartment"] == [{"department": {"name": support.name}, "values": {"deflectionCount": 2}}]
    assert found["byCategory"] == [{"category": {"name": problem.name}, "values": {"deflectionCount": 2}}]
    assert found["byAgent"] == []
    assert [line["values"]["deflectionCount"] for line in found["byPriority"]] == [None] * 4
    assert (await saved(department=[billing.gid]))["total"]["deflectionCount"] == 0
    assert (await saved(agent=[agent.gid]))["total"]["deflectionCount"] is None
    assert (await look(agent, article))["feedbackStats"]["deflectionCount"] == 2


async def test_leads_count_those_of_their_departments(give, saved, house, article, customer, lead, billing):
    other = await house.person("Otto Other", Role.TEAM_LEAD, billing)
    await give(customer, article, helpful=True, source="TICKET_FORM")

    assert (await saved(lead))["total"]["deflectionCount"] == 1
    assert (await saved(other))["total"]["deflectionCount"] == 0


async def test_whoever_says_later_that_it_did_not_help_saved_none(give, look, saved, article, customer, agent):
    await give(customer, article, helpful=True, source="TICKET_FORM")
    assert (await saved())["total"]["deflectionCount"] == 1

    await give(customer, article, helpful=False)

    assert (await saved())["total"]["deflectionCount"] == 0
    assert (await look(agent, article))["feedbackStats"]["deflectionCount"] == 0


async def test_counting_anew_finds_the_same(give, saved, settings, article, customer, stranger, visitor):
    await give(customer, article, helpful=True, source="TICKET_FORM")
    await give(visitor(), article, helpful=True, source="TICKET_FORM")
    await give(stranger, article, helpful=True, source="TICKET_FORM")
    await give(stranger, article, helpful=False, source="TICKET_FORM")
    before = await saved()

    await rebuilding.rebuild(settings.database_url, lambda _done, _total: None)

    assert await saved() == before
    assert before["total"]["deflectionCount"] == 2
