"""Reviews of articles: what asks for one, who is told, and how it is closed."""

import asyncio
import datetime as dt
from uuid import UUID

import pytest
from knowledge import CLOSE, REQUEST, REVIEWS

from domain import review_requests, sessions
from domain.articles import publishing, writing
from infra.unit import now
from models import ArticleAudience, Role

TOLD = """{ viewer { notifications { nodes { kind title body actor { name }
  subject { __typename ... on ArticleReview { id article { title } } } } } } }"""
PREFER = """mutation ($input: SetNotificationPreferencesInput!) {
  setNotificationPreferences(input: $input) { __typename } }"""
PUBLISH = """mutation ($input: PublishArticleInput!) { publishArticle(input: $input) { __typename
  ... on PublishArticleSuccess { article { openReview { id } } } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"


@pytest.fixture
def request_(api):
    """Asks for a review; gives it, or the refusal."""

    async def asked(viewer, article, **given):
        given = {"articleId": article.gid, "note": "The picture is old."} | given
        answer = (await api(viewer, REQUEST, input=given))["requestArticleReview"]
        return answer.get("review") or answer

    return asked


@pytest.fixture
def close(api):
    """Closes a review; gives it, or the refusal."""

    async def closed(viewer, review, *, revised=True, **given):
        given = {"reviewId": review["id"], "revised": revised} | given
        answer = (await api(viewer, CLOSE, input=given))["closeArticleReview"]
        return answer.get("review") or answer

    return closed


@pytest.fixture
def reviews(api):
    """The reviews that somebody finds."""

    async def found(viewer, **asked):
        return (await api(viewer, REVIEWS, filter=asked))["articleReviews"]["nodes"]

    return found


@pytest.fixture
def told(api, work):
    """What somebody was told in the app of reviews."""

    async def seen(viewer):
        await work.run()
        nodes = (await api(viewer, TOLD))["viewer"]["notifications"]["nodes"]
        return [node for node in nodes if node["kind"] == "REVIEW_REQUESTED"]

    return seen


# --- Poor feedback ----------------------------------------------------------------------------------------------------


async def test_a_poor_rating_has_the_author_review_the_article(
    give, reviews, told, mailbox, article, customer, agent, lead
):
    await give(customer, article, rating=2, comment="Step 3 is <wrong>.")

    (review,) = await reviews(agent)
    assert (review["reason"], review["status"], review["note"]) == ("POOR_RATING", "OPEN", None)
    assert (review["assignee"], review["requestedBy"]) == ({"name": agent.name}, None)
    assert review["feedback"]["nodes"] == [{"rating": 2, "helpful": None, "comment": "Step 3 is <wrong>."}]
    (entry,) = await told(agent)
    assert (entry["title"], entry["body"]) == ("Please review an article", "Reset a password")
    assert entry["subject"] == {
        "__typename": "ArticleReview",
        "id": review["id"],
        "article": {"title": "Reset a password"},
    }
    assert entry["actor"] is None
    (letter,) = mailbox.to(agent.email)
    assert letter["Subject"] == "Please review: Reset a password"
    text = letter.get_body(("plain",)).get_content()
    assert "A reader has rated it with 1 or 2 of 5." in text
    assert "Step 3 is <wrong>." in text
    assert "Step 3 is &lt;wrong&gt;." in letter.get_body(("html",)).get_content()
    assert customer.name not in str(letter)
    assert await told(lead) == []
    assert mailbox.to(lead.email) == []


async def test_more_poor_ratings_belong_to_the_same_review_worst_first(
    give, reviews, told, article, customer, stranger, visitor, lead, agent
):
    await give(customer, article, rating=2)
    await give(stranger, article, helpful=False)
    await give(visitor(), article, rating=1)
    await give(lead, article, rating=3)
    await give(visitor(), article, helpful=True, rating=5)

    (review,) = await reviews(agent)
    found = [(each["rating"], each["helpful"]) for each in review["feedback"]["nodes"]]
    assert found[0] == (1, None)
    assert set(found[1:]) == {(2, None), (None, False)}
    assert review["feedback"]["totalCount"] == 3
    assert len(await told(agent)) == 1


async def test_poor_ratings_at_the_same_moment_open_one_review(give, reviews, told, article, visitor, agent):
    await asyncio.gather(*(give(visitor(), article, rating=1) for _ in range(5)))

    (review,) = await reviews(agent)
    assert review["feedback"]["totalCount"] == 5
    assert len(await told(agent)) == 1


@pytest.mark.parametrize("rating", [3, 4, 5, None])
async def test_what_is_not_poor_opens_none(give, reviews, article, customer, agent, rating):
    await give(customer, article, rating=rating, helpful=False, comment="So so")

    assert await reviews(agent) == []


async def test_an_article_that_seldom_helps_is_reviewed(desk, give, reviews, house, article, agent, database):
    async def say(helpful):
        reader = await house.person(f"Reader {await count()}")
        await give(reader, article, helpful=helpful)

    async def count():
        return (await database.rows("SELECT count(*) FROM article_feedback"))[0]["count"]

    for helpful in (True, True, True, True, False, False, False, False, False):
        await say(helpful)
    assert await reviews(agent) == []  # nine are too few
    await say(True)
    assert await reviews(agent) == []  # ten, of which half found it helpful
    await say(False)

    (review,) = await reviews(agent)
    assert review["reason"] == "OFTEN_UNHELPFUL"
    assert review["feedback"]["totalCount"] == 6


async def test_each_version_of_each_article_is_judged_by_itself(
    give, reviews, publish, as_lead, house, article, agent, customer
):
    async def improve(each):
        await as_lead(writing.save_draft, each.id, {"body": "Better."}, None)
        await as_lead(publishing.publish, each.id, None, None)

    other = await publish("Another")
    await improve(other)
    readers = [await house.person(f"Reader {number}") for number in range(9)]
    for reader in readers:
        for each in (article, other):
            await give(reader, each, helpful=False)
    await improve(article)

    await give(customer, article, helpful=False)

    assert await reviews(agent) == []  # ten said so of neither
    for each in (article, other):
        await give(readers[0], each, rating=1)
    assert {review["article"]["id"] for review in await reviews(agent)} == {article.gid, other.gid}


@pytest.mark.parametrize(
    ("helped", "did_not", "last"),
    [(3, 6, {"helpful": True}), (6, 6, {"rating": 5})],  # the second by the first of them, who says so no more
)
async def test_it_seldom_helps_whatever_the_last_of_its_readers_says(
    give, reviews, house, article, agent, helped, did_not, last
):
    readers = [await house.person(f"Reader {number}") for number in range(helped + did_not)]
    for number, reader in enumerate(readers):
        await give(reader, article, helpful=number < helped)
    assert await reviews(agent) == []

    await give(await house.person("Tess Tenth") if last.get("helpful") else readers[0], article, **last)

    (review,) = await reviews(agent)
    assert (review["reason"], review["feedback"]["totalCount"]) == ("OFTEN_UNHELPFUL", 6)


async def test_what_was_said_before_the_last_review_or_long_ago_counts_no_more(
    give, reviews, close, house, article, agent, database
):
    readers = [await house.person(f"Reader {number}") for number in range(12)]
    for reader in readers[:9]:
        await give(reader, article, helpful=False)
    await database.rows("UPDATE article_feedback SET at = at - interval '31 days'")
    await give(readers[9], article, helpful=False)
    assert await reviews(agent) == []

    await database.rows("UPDATE article_feedback SET at = now() - interval '1 minute'")
    await give(readers[10], article, helpful=False)
    (review,) = await reviews(agent)
    await close(agent, review, revised=False)
    await give(readers[11], article, helpful=False)
    assert await reviews(agent) == []


async def test_who_wrote_it_last_reviews_where_the_author_is_gone(
    give, reviews, told, house, article, customer, agent, lead, director, database
):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=agent.id)
    await give(customer, article, rating=1)
    (review,) = await reviews(director)
    assert review["assignee"] == {"name": lead.name}
    assert len(await told(lead)) == 1

    await database.rows("DELETE FROM article_reviews")
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=lead.id)
    await give(customer, article, rating=2)
    (review,) = await reviews(director)
    assert review["assignee"] is None
    assert len(await told(director)) == 1  # who can give it to somebody


async def test_who_wants_no_mail_of_reviews_gets_none(api, give, told, mailbox, article, customer, agent):
    wish = {"kind": "REVIEW_REQUESTED", "channel": "EMAIL", "enabled": False}
    await api(agent, PREFER, input={"preferences": [wish]})
    await give(customer, article, rating=1)

    assert len(await told(agent)) == 1
    assert mailbox.to(agent.email) == []


async def test_mail_of_a_review_that_is_closed_meanwhile_stays_away(
    desk, give, reviews, close, work, mailbox, article, customer, agent
):
    await give(customer, article, rating=1)
    (review,) = await reviews(agent)
    async with desk.writes.begin() as unit:
        await review_requests.tell(unit, UUID(review["id"].removeprefix("rev_")))
    await close(agent, review)
    await work.run()

    assert mailbox.to(agent.email) == []


# --- Asking for one ---------------------------------------------------------------------------------------------------


async def test_a_colleague_asks_for_a_review(request_, told, mailbox, article, agent, lead):
    review = await request_(lead, article, note=" The picture\nis old. ")

    assert (review["reason"], review["note"]) == ("REQUESTED", "The picture is old.")
    assert (review["requestedBy"], review["assignee"]) == ({"name": lead.name}, {"name": agent.name})
    (entry,) = await told(agent)
    assert entry["actor"] == {"name": lead.name}
    (letter,) = mailbox.to(agent.email)
    assert "Lea Lead asks for it to be reviewed:" in letter.get_body(("plain",)).get_content()


async def test_whoever_asks_themselves_is_not_told(request_, told, mailbox, article, agent, lead):
    review = await request_(agent, article)

    assert review["assignee"] == {"name": agent.name}
    assert await told(agent) == []
    assert mailbox.letters == []


async def test_somebody_else_is_to_review(request_, told, article, agent, lead, billing_agent):
    review = await request_(lead, article, assigneeId=billing_agent.gid)

    assert review["assignee"] == {"name": billing_agent.name}
    assert len(await told(billing_agent)) == 1
    assert await told(agent) == []


async def test_what_cannot_be_asked_for_is_refused_and_changes_nothing(
    request_, article, agent, customer, lead, house, database
):
    gone = await house.person("Gone Agent", Role.AGENT)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    nowhere = "per_00000000-0000-7000-8000-000000000000"
    before = await database.counts()

    async def refusal(viewer=agent, **given):
        answer = await request_(viewer, article, **given)
        return answer["__typename"], [problem["field"] for problem in answer.get("problems", [])]

    assert await refusal(note=" ") == ("InvalidInput", ["note"])
    assert await refusal(note="x" * 501) == ("InvalidInput", ["note"])
    for person in (customer, gone):
        assert await refusal(assigneeId=person.gid) == ("InvalidInput", ["assigneeId"])
    assert await refusal(assigneeId=nowhere) == ("NotFound", [])
    assert await refusal(assigneeId=article.gid) == ("InvalidInput", ["assigneeId"])
    assert await refusal(customer) == ("NotAllowed", [])
    assert await database.counts() == before


async def test_only_one_is_open_for_an_article(request_, close, article, agent, lead):
    first = await request_(lead, article)

    refused = await request_(agent, article)
    assert (refused["reason"], refused["current"]["id"]) == ("ALREADY_DONE", first["id"])
    await close(agent, first)
    assert (await request_(agent, article))["id"] != first["id"]


async def test_two_who_ask_at_once_open_one(request_, reviews, article, agent, lead):
    answers = await asyncio.gather(*(request_(viewer, article) for viewer in (agent, lead, agent, lead)))

    assert len(await reviews(agent)) == 1
    assert sorted(answer.get("__typename", "made") for answer in answers) == ["Conflict"] * 3 + ["made"]


# --- Closing one ------------------------------------------------------------------------------------------------------


async def test_a_review_is_closed_by_hand(request_, close, reviews, look, article, agent, lead):
    review = await request_(lead, article)
    closed = await close(agent, review, revised=False, outcome=" Fine as it is. ")

    assert (closed["status"], closed["outcome"]) == ("DISMISSED", "Fine as it is.")
    assert closed["closedBy"] == {"name": agent.name}
    assert closed["closedAt"] >= closed["requestedAt"]
    assert await reviews(agent) == []
    assert await reviews(agent, statuses=["DISMISSED", "REVISED"]) == [closed]
    assert (await look(agent, article))["openReview"] is None
    again = await close(agent, review)
    assert (again["reason"], again["current"]["id"]) == ("ALREADY_DONE", review["id"])


async def test_what_cannot_be_closed_is_refused(request_, close, article, agent, lead, customer, database):
    review = await request_(lead, article)
    before = await database.counts()

    assert [p["field"] for p in (await close(agent, review, outcome="x" * 501))["problems"]] == ["outcome"]
    assert (await close(customer, review))["__typename"] == "NotAllowed"
    nowhere = {"id": "rev_00000000-0000-7000-8000-000000000000"}
    assert (await close(agent, nowhere))["__typename"] == "NotFound"
    assert (await close(customer, nowhere))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_new_version_closes_it(api, request_, reviews, as_lead, article, agent, lead):
    await request_(agent, article)
    again = {"articleId": article.gid}
    answer = (await api(lead, PUBLISH, input=again))["publishArticle"]
    assert answer["article"]["openReview"]  # nothing was published that wasn't

    await as_lead(writing.save_draft, article.id, {"body": "Better."}, None)
    answer = (await api(lead, PUBLISH, input=again))["publishArticle"]

    assert answer["article"]["openReview"] is None
    (review,) = await reviews(agent, statuses=["REVISED"])
    assert review["closedBy"] == {"name": lead.name}


async def test_a_new_version_may_leave_it_open(api, request_, reviews, as_lead, article, agent, lead):
    await request_(agent, article)
    await as_lead(writing.save_draft, article.id, {"body": "Better."}, None)
    given = {"articleId": article.gid, "closeReview": False}

    answer = (await api(lead, PUBLISH, input=given))["publishArticle"]

    assert answer["article"]["openReview"]
    assert len(await reviews(agent)) == 1


@pytest.mark.parametrize("closing", [True, False])
async def test_what_is_published_later_closes_it_then(
    api, request_, reviews, as_lead, work, article, agent, lead, database, closing
):
    await request_(agent, article)
    await as_lead(writing.save_draft, article.id, {"body": "Better."}, None)
    given = {"articleId": article.gid, "closeReview": closing, "at": (now() + dt.timedelta(days=1)).isoformat()}
    assert (await api(lead, PUBLISH, input=given))["publishArticle"]["article"]["openReview"]

    await database.rows("UPDATE articles SET publishes_at = now() - interval '1 second'")
    await database.rows("UPDATE jobs SET due_at = now() WHERE kind = 'PublishArticle'")
    await work.run()

    assert len(await reviews(agent)) == (0 if closing else 1)


async def test_poor_feedback_after_it_was_closed_opens_another(
    give, close, reviews, article, customer, stranger, agent
):
    await give(customer, article, rating=1)
    (first,) = await reviews(agent)
    await close(agent, first)
    await give(stranger, article, rating=2)

    (second,) = await reviews(agent)
    assert second["id"] != first["id"]
    assert [each["rating"] for each in second["feedback"]["nodes"]] == [2]
    (kept,) = await reviews(agent, statuses=["REVISED"])
    assert [each["rating"] for each in kept["feedback"]["nodes"]] == [1]


# --- Who sees them ----------------------------------------------------------------------------------------------------


async def test_reviews_are_for_staff(api, request_, told, article, agent, lead, customer):
    review = await request_(lead, article)

    assert await api.refused(customer, REVIEWS) == "NOT_ALLOWED"
    assert await api.refused(None, REVIEWS) == "UNAUTHENTICATED"
    assert (await api(customer, NODE, id=review["id"]))["node"] is None
    assert (await api(agent, NODE, id=review["id"]))["node"] == {"id": review["id"]}
    assert await told(customer) == []


async def test_reviews_are_listed_oldest_first_and_by_who_is_to_do_them(
    api, request_, reviews, publish, agent, lead, billing_agent
):
    articles = [await publish(f"Article {number}", ArticleAudience.STAFF) for number in range(3)]
    for number, article in enumerate(articles):
        await request_(lead, article, assigneeId=(billing_agent if number == 1 else agent).gid)

    assert [each["article"]["title"] for each in await reviews(agent)] == ["Article 0", "Article 1", "Article 2"]
    assert [each["article"]["title"] for each in await reviews(lead, assigneeId=agent.gid)] == [
        "Article 0",
        "Article 2",
    ]
    page = (await api(agent, REVIEWS, first=2))["articleReviews"]
    assert page["totalCount"] == 3
    rest = (await api(agent, REVIEWS, first=2, after=page["pageInfo"]["endCursor"]))["articleReviews"]["nodes"]
    assert [each["article"]["title"] for each in rest] == ["Article 2"]


async def test_whoever_works_here_no_more_reads_nothing_of_what_they_were_told(
    desk, told, give, article, customer, agent, database
):
    await give(customer, article, rating=1)
    assert (await told(agent))[0]["body"] == "Reset a password"
    await database.rows("UPDATE people SET role = 'CUSTOMER' WHERE id = :id", id=agent.id)
    async with desk.writes.begin() as unit:
        agent.token = (await sessions.open_for(desk, unit, agent.id)).access_token

    (entry,) = await told(agent)
    assert (entry["body"], entry["subject"]) == (None, None)


PERSON = "mutation ($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"


@pytest.mark.parametrize("given", [{"active": False}, {"role": "CUSTOMER", "departmentIds": []}])
async def test_what_somebody_was_to_review_is_told_when_they_leave(
    api, request_, reviews, told, house, publish, article, agent, lead, admin, support, given
):
    kept = await request_(lead, await publish("Another"), assigneeId=lead.gid)
    manager = await house.person("Mia Manager", Role.MANAGER, support)
    asked = await request_(lead, article, assigneeId=agent.gid)
    assert asked["assignee"] == {"name": agent.name}
    assert await told(manager) == []

    await api(admin, PERSON, input={"personId": agent.gid} | given)

    found = {review["id"]: review["assignee"] for review in await reviews(lead)}
    assert found == {kept["id"]: {"name": lead.name}, asked["id"]: None}
    (news,) = await told(manager)
    assert news["subject"]["id"] == asked["id"]
    assert await told(admin) == []


async def test_where_nobody_is_above_leads_the_admins_are_told(
    api, request_, told, mailbox, article, agent, lead, admin
):
    await request_(lead, article, assigneeId=agent.gid)
    await api(admin, PERSON, input={"personId": agent.gid, "active": False})

    (news,) = await told(admin)
    assert news["subject"] is not None


@pytest.mark.parametrize("named", [True, False])
async def test_so_it_is_when_they_leave_while_it_is_asked_for(
    api, request_, reviews, told, halted, mailbox, house, article, agent, lead, admin, support, named
):
    """They wrote it, and so review it where nobody is named."""
    manager = await house.person("Mia Manager", Role.MANAGER, support)
    given = {"assigneeId": agent.gid} if named else {}
    asked = await halted(request_(lead, article, **given), "AND people.active")  # they are still here
    left = asyncio.create_task(api(admin, PERSON, input={"personId": agent.gid, "active": False}))
    await asyncio.sleep(0.2)
    await asked()
    await left

    assert [review["assignee"] for review in await reviews(admin)] == [None]
    assert len(await told(manager)) == 1


async def test_what_somebody_has_reviewed_stays_theirs(
    api, request_, close, reviews, told, mailbox, house, article, agent, lead, admin, support
):
    manager = await house.person("Mia Manager", Role.MANAGER, support)
    await close(agent, await request_(lead, article, assigneeId=agent.gid))

    await api(admin, PERSON, input={"personId": agent.gid, "active": False})

    (review,) = await reviews(lead, statuses=["REVISED"])
    assert review["assignee"] == {"name": agent.name}
    assert await told(manager) == []
