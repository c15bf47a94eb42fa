"""Pages: their order, their ends, their cursors."""

import datetime as dt
from uuid import uuid4

import planner_records as models
import pytest

PAGES = """query ($first: Int, $after: String, $last: Int, $before: String, $f: TicketFilter, $by: OrderField) {
    tickets(first: $first, after: $after, last: $last, before: $before, filter: $f, orderBy: $by) {
      totalCount nodes { number } edges { cursor node { number } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
LATEST = dt.datetime.max.replace(tzinfo=dt.UTC)
PLACES = {
    None: lambda row: (-row.updated_at.timestamp(), -row.id.int),
    "UPDATED": lambda row: (-row.updated_at.timestamp(), -row.id.int),
    "DUE": lambda row: (row.due_at or LATEST, row.id.int),
    "SUBJECT": lambda row: (row.subject.encode(), row.urgent, row.id.int),
    "MIXED": lambda row: ([-byte for byte in row.status.encode()], row.day, -row.number),
    "SCORE": lambda row: (-row.score, row.updated_at, row.id.int),
}


def window(rows, *, first=None, after=0, last=None, before=None):
    """The part of a list by places in it, and whether more follows or comes before."""
    start, stop = after, len(rows) if before is None else before
    start = start if last is None else max(start, stop - last)
    stop = stop if last is not None else min(stop, start + (20 if first is None else first))
    return rows[start:stop], stop < len(rows), start > 0


@pytest.mark.parametrize("by", PLACES)
@pytest.mark.parametrize("size", [1, 7, 100])
async def test_every_order_forwards_and_backwards(ask, agent, rows, by, size):
    expected = sorted(rows[models.Ticket], key=PLACES[by])
    for way, cursor_of, start in (("first", "endCursor", "after"), ("last", "startCursor", "before")):
        cursor, place = None, 0 if way == "first" else len(expected)
        for _ in range(3):
            given = {way: size, start: cursor, "by": by}
            page = (await ask.same(agent, PAGES, **given))["tickets"]

            found, following, preceding = window(expected, **{way: size, start: place})
            assert [node["number"] for node in page["nodes"]] == [row.number for row in found]
            assert [edge["node"]["number"] for edge in page["edges"]] == [row.number for row in found]
            assert page["totalCount"] == len(expected)
            ends = (page["edges"][0]["cursor"], page["edges"][-1]["cursor"])
            assert page["pageInfo"] == {
                "hasNextPage": following,
                "hasPreviousPage": preceding,
                "startCursor": ends[0],
                "endCursor": ends[1],
            }
            cursor = page["pageInfo"][cursor_of]
            place = expected.index(found[-1]) + 1 if way == "first" else expected.index(found[0])
            if not (following if way == "first" else preceding):
                break


async def test_between_two_cursors(ask, agent, rows):
    expected = sorted(rows[models.Ticket], key=PLACES["MIXED"])
    page = (await ask.data(agent, PAGES, by="MIXED", first=50))["tickets"]
    after, before = page["edges"][4]["cursor"], page["edges"][40]["cursor"]
    for way, size in (("first", 3), ("last", 3), ("first", 100), ("last", 100)):
        data = await ask.same(agent, PAGES, by="MIXED", after=after, before=before, **{way: size})

        found, following, preceding = window(expected, after=5, before=40, **{way: size})
        assert [node["number"] for node in data["tickets"]["nodes"]] == [row.number for row in found]
        assert data["tickets"]["pageInfo"]["hasNextPage"] is following
        assert data["tickets"]["pageInfo"]["hasPreviousPage"] is preceding


async def test_an_empty_page(ask, agent):
    data = await ask.same(agent, PAGES, f={"text": "no such text"})

    info = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert data["tickets"] == {"totalCount": 0, "nodes": [], "edges": [], "pageInfo": info}


async def test_counts_are_counted_only_when_asked_for(ask, agent):
    await ask.same(agent, "{ tickets { nodes { id } } }")
    assert "count(" not in ask.reads.statements[0]
    await ask.same(agent, "{ tickets(after: null) { __typename totalCount } }")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"first": 0}, "first: 1 to 100."),
        ({"first": 101}, "first: 1 to 100."),
        ({"last": -1}, "last: 1 to 100."),
        ({"first": 1, "last": 1}, "Give first or last, not both."),
        ({"after": "x"}, "This is not a cursor of this list."),
        ({"before": ""}, "This is not a cursor of this list."),
    ],
)
async def test_what_no_page_has_is_refused(ask, agent, given, said):
    for _ in range(2):  # also when the refusal is known already
        answer = await ask(agent, PAGES, **given)

        assert answer["data"] == {"tickets": None}
        [error] = answer["errors"]
        assert (error["message"], error["path"]) == (said, ["tickets"])
        assert error["extensions"] == {"code": "BAD_REQUEST"}


async def test_refused_sizes_drive_no_plan_out(ask, agent):
    for size in range(101, 200):
        await ask(agent, PAGES, first=size)
    kept = [key for key in ask.engine.plans.kept if key[0][0] == PAGES]
    assert len(kept) == 1


async def test_a_cursor_of_another_list_is_refused(ask, agent):
    cursors = {
        by: (await ask.data(agent, PAGES, by=by))["tickets"]["pageInfo"]["endCursor"]
        for by in ("UPDATED", "DUE", "SUBJECT")
    }
    people = (await ask.data(agent, "{ people(first: 1) { pageInfo { endCursor } } }"))["people"]["pageInfo"][
        "endCursor"
    ]
    for by, cursor in ((by, cursor) for by in cursors for other, cursor in cursors.items() if by != other):
        assert (await ask(agent, PAGES, by=by, after=cursor))["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert (await ask(agent, PAGES, by="SUBJECT", after=people))["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c + "0", lambda c: c.replace(",", ";"), lambda c: c[:9]]
)
async def test_a_cursor_that_was_changed_is_refused_or_another_place(ask, agent, change):
    for by in ("UPDATED", "DUE", "SUBJECT", "MIXED", "SCORE"):
        cursor = (await ask.data(agent, PAGES, by=by))["tickets"]["pageInfo"]["endCursor"]
        answer = await ask(agent, PAGES, by=by, after=change(cursor))
        assert answer.get("errors", [{"extensions": {"code": "BAD_REQUEST"}}])[0]["extensions"]["code"] == "BAD_REQUEST"
    assert not ask.reported


@pytest.mark.parametrize(
    ("by", "place", "value"),
    [
        ("MIXED", 3, "99999999999"),
        ("MIXED", 3, "-2147483649"),
        ("MIXED", 3, "9" * 5000),
        ("MIXED", 2, "10000-01-01"),
        ("UPDATED", 1, "0001-01-01 00:00:00+14:00"),
        ("UPDATED", 1, "9999-12-31 23:59:59-14:00"),
        ("SCORE", 1, "1e"),
        ("MIXED", 3, " " * 200 + "1"),
    ],
)
async def test_a_cursor_of_what_no_row_can_have_is_refused(ask, agent, by, place, value):
    cursor = (await ask.data(agent, PAGES, by=by))["tickets"]["pageInfo"]["endCursor"].split(",")
    cursor[place] = value

    (error,) = (await ask(agent, PAGES, by=by, after=",".join(cursor)))["errors"]

    assert error["message"] == "This is not a cursor of this list."
    assert not ask.reported


NUMBERED = PAGES.replace(", $f: TicketFilter, $by: OrderField", "").replace(", filter: $f, orderBy: $by", "")
NUMBERED = NUMBERED.replace("tickets(", "numbered(")


async def test_a_cursor_may_name_its_row_alone(ask, agent, customer, rows):
    solved = [row for row in rows[models.Ticket] if row.status is models.Status.SOLVED]
    for viewer in (agent, customer):
        seen = [row for row in rows[models.Ticket] if viewer is agent or row.requester_id == viewer.id]
        listed = [row.number for row in seen if row not in solved]
        page = (await ask.same(viewer, NUMBERED, first=100))["numbered"]
        assert [edge["node"]["number"] for edge in page["edges"]] == listed
        cursors = {edge["node"]["number"]: edge["cursor"] for edge in page["edges"]}
        for number, cursor in cursors.items():
            (row,) = [row for row in seen if row.number == number]
            assert cursor.split(",")[1:] == [str(row.id)]
        for place in (0, len(listed) // 2, len(listed) - 1):
            cursor = cursors[listed[place]]
            after = (await ask.same(viewer, NUMBERED, after=cursor, first=3))["numbered"]
            assert [node["number"] for node in after["nodes"]] == listed[place + 1 : place + 4]
            assert after["pageInfo"]["hasPreviousPage"] is True
            assert after["pageInfo"]["hasNextPage"] is (place + 4 < len(listed))
            before = (await ask.same(viewer, NUMBERED, before=cursor, last=3))["numbered"]
            assert [node["number"] for node in before["nodes"]] == listed[max(0, place - 3) : place]
            assert before["pageInfo"]["hasNextPage"] is True
        mark = cursors[listed[0]].partition(",")[0]
        beside = next(row for row in seen if row in solved)  # not listed, and yet somewhere in the order
        found = (await ask.same(viewer, NUMBERED, after=f"{mark},{beside.id}", first=1))["numbered"]
        assert [node["number"] for node in found["nodes"]] == [n for n in listed if n > beside.number][:1]


async def test_a_cursor_that_names_what_is_not_seen_is_as_one_that_names_nothing(ask, agent, customer, rows):
    mark = (await ask.data(customer, NUMBERED, first=1))["numbered"]["pageInfo"]["endCursor"].partition(",")[0]
    unseen = next(row for row in rows[models.Ticket] if row.requester_id != customer.id)
    assert (await ask.same(agent, NUMBERED, after=f"{mark},{unseen.id}", first=1))["numbered"]["nodes"]

    answers = [await ask(customer, NUMBERED, after=f"{mark},{key}") for key in (unseen.id, uuid4())]

    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["message"] == "This is not a cursor of this list."
    assert answers[0]["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    beside = f'{{ numbered(after: "{mark},{unseen.id}") {{ nodes {{ id }} }} people(first: 1) {{ nodes {{ name }} }} }}'
    answer = await ask(customer, beside)
    assert (answer["data"]["numbered"], len(answer["data"]["people"]["nodes"])) == (None, 1)
    assert not ask.reported


async def test_infinity_goes_round(ask, agent, rows):
    never = sum(row.due_at is None for row in rows[models.Ticket])
    page = (await ask.data(agent, PAGES, by="DUE", last=never))["tickets"]
    assert ",infinity," in page["pageInfo"]["startCursor"]

    data = await ask.same(agent, PAGES, by="DUE", first=100, after=page["pageInfo"]["startCursor"])

    assert [node["number"] for node in data["tickets"]["nodes"]] == [node["number"] for node in page["nodes"]][1:]


async def test_edges_may_say_more(ask, agent, rows):
    query = """query ($t: String!) { search(text: $t, first: 5) { totalCount nodes { id }
        edges { rank highlight cursor node { number subject } } } }"""

    data = await ask.same(agent, query, t="mail")

    found = [row for row in rows[models.Ticket] if "mail" in row.subject]
    assert data["search"]["totalCount"] == len(found)
    assert len(data["search"]["edges"]) == 5
    for edge in data["search"]["edges"]:
        assert edge["rank"] == edge["node"]["subject"].index("mail") + 1
        assert edge["highlight"].casefold() == edge["node"]["subject"].casefold()

    data = await ask.same(agent, query, t="17")
    assert [edge["node"]["number"] for edge in data["search"]["edges"]] == [17]


async def test_pages_in_pages(ask, agent, rows):
    query = """{ people(first: 3) { nodes { name tickets(last: 2) { totalCount nodes { number
        comments(first: 1) { totalCount nodes { id author { tickets(first: 1) { nodes { number } } } } } } } } } }"""

    data = await ask.same(agent, query)

    people = sorted(rows[models.Person], key=lambda row: row.name.encode())[:3]
    for person, node in zip(people, data["people"]["nodes"], strict=True):
        theirs = [row.number for row in rows[models.Ticket] if row.requester_id == person.id]
        assert node["tickets"]["totalCount"] == len(theirs)
        assert [ticket["number"] for ticket in node["tickets"]["nodes"]] == theirs[-2:]


async def test_what_says_nothing_of_its_rows_is_one_answer_for_the_page(ask, agent, rows):
    for asked in ("pageInfo { __typename }", "pageInfo { hasPreviousPage }", "__typename", "nodes { __typename }"):
        data = await ask.same(agent, f"{{ people(first: 3) {{ {asked} }} }}")
        assert data["people"]
