"""Full-text search of tickets: what is found, by whom, what comes first, and where it stands."""

import pytest

import models
from domain.tickets import search

FIND = """query($text: String!, $orderBy: TicketOrder, $first: Int, $after: String) {
  tickets(filter: {text: $text}, orderBy: $orderBy, first: $first, after: $after) { totalCount
    pageInfo { hasNextPage hasPreviousPage endCursor } edges { highlightHtml node { subject } } } }"""
FILTERED = """query($filter: TicketFilter) { tickets(filter: $filter) { totalCount nodes { subject } } }"""
COMMENT = """mutation($input: AddCommentInput!) { addComment(input: $input) {
  ... on AddCommentSuccess { comment { id } } } }"""
UPDATE = """mutation($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename } }"""
DELETE = """mutation($input: DeleteCommentInput!) { deleteComment(input: $input) { __typename } }"""
MERGE = """mutation($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"""
NOTE = """mutation($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"""


@pytest.fixture
async def tickets(submit, house, customer, problem, agent, support):
    """Three tickets of a customer's, by their subjects, with their ids and numbers."""
    found = {}
    for subject, body, tags in (
        (FIRE, "It stands in Lisbon.", ["burning", "hot stuff"]),
        (CHAIR, "Next to the printer. <b>Really</b> & 5 < 6 truly broken.", []),
        (INVOICE, "Two pages too many.", []),
    ):
        ticket = await submit(agent, problem, subject=subject, body=body, requesterId=customer.gid, tags=tags)
        found[subject] = ticket
    return found


@pytest.fixture
def find(api, tickets):
    """The subjects that a text finds, in their order."""

    async def found(viewer, text, **variables):
        page = (await api(viewer, FIND, text=text, **variables))["tickets"]
        subjects = [edge["node"]["subject"] for edge in page["edges"]]
        if "first" not in variables:
            assert page["totalCount"] == len(subjects)
        return subjects

    return found


OF_NONE = "77002041"  # a number that no ticket of a test has
FIRE, CHAIR, INVOICE = "Printer on fire", "Broken chair", f"Invoice {OF_NONE} is wrong"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("printer", [FIRE, CHAIR]),  # the subject counts more than the body
        ("PRINTER", [FIRE, CHAIR]),
        ("print", [FIRE, CHAIR]),  # the last word may be unfinished
        ("lisbon printer", [FIRE]),
        ("printer chair", [CHAIR]),
        ("printer -chair", [FIRE]),
        ("lisbon or invoice", [FIRE, INVOICE]),
        ('"the printer"', [CHAIR]),
        ('"printer the"', []),
        ("nothing of the kind", []),
        ("fire !!! &|() : ' \\ *", [FIRE]),
        ("?!", []),
    ],
)
async def test_words_find_tickets(find, customer, agent, text, expected):
    assert sorted(await find(customer, text)) == sorted(expected)
    assert sorted(await find(agent, text)) == sorted(expected)
    if len(expected) == 2 and FIRE in expected and CHAIR in expected:
        assert await find(agent, text) == expected


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("can't", "I <mark>can</mark>\u2019<mark>t</mark> go on: it\u2019s “urgent”—now… and"),
        ("can\u2019t", "I <mark>can</mark>\u2019<mark>t</mark> go on: it\u2019s “urgent”—now… and"),
        ("urgent", "it\u2019s “<mark>urgent</mark>”—now… and"),
        ("“urgent now”", "it\u2019s “<mark>urgent</mark>”—<mark>now</mark>… and"),
        ("été", "<mark>été</mark>: I can\u2019t"),
        ("密码", "忘记了<mark>密码</mark>"),
    ],
)
async def test_words_end_where_people_see_them_end(api, submit, customer, problem, text, marked):
    body = "I can\u2019t go on: it\u2019s “urgent”—now… and else not at all. 我忘记了密码"
    await submit(customer, problem, subject="L\u2019été", body=body)

    (edge,) = (await api(customer, FIND, text=text))["tickets"]["edges"]

    assert marked in edge["highlightHtml"]


async def test_blank_text_asks_for_nothing(find, agent):
    assert await find(agent, " \n ") == [INVOICE, CHAIR, FIRE]  # last changed first


async def test_comments_are_found_by_those_who_read_them(api, find, tickets, customer, stranger, agent, director):
    ids = {subject: ticket["id"] for subject, ticket in tickets.items()}
    await api(agent, NOTE, input={"ticketId": ids[CHAIR], "body": "The canary sings"})
    await api(customer, COMMENT, input={"ticketId": ids[INVOICE], "body": "A public sparrow"})

    for viewer, canary, sparrow in (
        (agent, [CHAIR], [INVOICE]),
        (director, [CHAIR], [INVOICE]),
        (customer, [], [INVOICE]),
        (stranger, [], []),
    ):
        assert await find(viewer, "canary") == canary
        assert await find(viewer, "sparrow") == sparrow
    assert await find(agent, "canary chair") == [CHAIR]  # one word in the subject, one in the comment
    assert await find(agent, "-chair") == [FIRE, INVOICE]
    assert CHAIR in await find(customer, "-canary")


async def test_what_is_done_to_one_text_leaves_all_others_found(api, find, tickets, agent):
    ids = {subject: ticket["id"] for subject, ticket in tickets.items()}
    comments = [
        (await api(agent, COMMENT, input={"ticketId": ids[subject], "body": body}))["addComment"]["comment"]["id"]
        for subject, body in ((CHAIR, "A robin"), (CHAIR, "A wren"), (FIRE, "A sparrow"))
    ]
    wet, finds = "Printer wet", {"lisbon": FIRE, "burning": FIRE, "sparrow": FIRE, "robin": CHAIR, "wren": CHAIR}
    finds |= {"really": CHAIR, "pages": INVOICE}

    for mutation, given, changed in (
        (UPDATE, {"ticketId": ids[INVOICE], "addTags": ["paper"]}, {"paper": INVOICE}),
        (
            UPDATE,
            {"ticketId": ids[INVOICE], "addTags": ["ink"], "removeTags": ["paper"]},
            {"paper": None, "ink": INVOICE},
        ),
        (DELETE, {"commentId": comments[0]}, {"robin": None}),
        (MERGE, {"intoTicketId": ids[INVOICE], "ticketIds": [ids[CHAIR]]}, {"wren": INVOICE, "invoice wren": INVOICE}),
        (
            UPDATE,
            {"ticketId": ids[FIRE], "subject": wet},
            dict.fromkeys(("lisbon", "burning", "sparrow", "wet sparrow"), wet),
        ),
    ):
        await api(agent, mutation, input=given)
        finds |= changed
        assert {text: await find(agent, text) for text in finds} == {
            text: [subject] if subject else [] for text, subject in finds.items()
        }


async def test_tags_are_found_by_staff(find, customer, agent):
    assert await find(agent, "burning") == [FIRE]
    assert await find(agent, "hot stuff") == [FIRE]
    assert await find(customer, "burning") == []


async def test_staff_who_only_watch_search_as_customers_do(api, desk, house, find, tickets, agent):
    watching = await house.person("Will Watching", models.Role.AGENT)
    async with desk.writes.begin() as unit:
        for ticket in tickets.values():
            unit.insert(models.Watcher, ticket_id=ticket["id"].removeprefix("tkt_"), person_id=watching.id)
    await api(agent, NOTE, input={"ticketId": tickets[CHAIR]["id"], "body": "The canary sings"})

    assert await find(watching, "printer") == [FIRE, CHAIR]
    for text in ("canary", "burning"):
        assert await find(watching, text) == []


async def test_a_number_finds_its_ticket_first_and_words_too(find, tickets, customer, stranger, agent):
    number = tickets[CHAIR]["number"]

    for text in (str(number), f"#{number}", f" {number} "):
        assert await find(agent, text) == [CHAIR]
        assert await find(customer, text) == [CHAIR]
        assert await find(stranger, text) == []
    assert await find(agent, OF_NONE) == [INVOICE]
    assert await find(agent, "999999999") == []


async def test_common_words_are_found_as_rare_ones_are(find, api, monkeypatch, database, customer, agent, director):
    rare = {viewer.name: await find(viewer, "printer") for viewer in (customer, agent, director)}
    monkeypatch.setattr(search, "MOST_RARE", 1)
    for viewer in (customer, agent, director):
        # Another text, since the plan of the first is kept.
        query = FIND.replace("totalCount", "count: totalCount")
        page = (await api(viewer, query, text="printer"))["tickets"]
        assert [edge["node"]["subject"] for edge in page["edges"]] == rare[viewer.name]


@pytest.mark.parametrize("field", ["RELEVANCE", "UPDATED_AT", "CREATED_AT", "PRIORITY", "WAITING_SINCE"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_found_tickets_are_walked_in_pages(api, find, customer, agent, field, direction):
    order = {"field": field, "direction": direction}
    for viewer in (customer, agent):
        whole, walked, after = await find(viewer, "printer", orderBy=order), [], None
        while True:
            asked = {"text": "printer", "orderBy": order, "first": 1, "after": after}
            page = (await api(viewer, FIND, **asked))["tickets"]
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            walked += [edge["node"]["subject"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert walked == whole


async def test_conditions_hold_beside_the_words(api, tickets, agent, customer):
    async def found(**conditions):
        page = (await api(agent, FILTERED, filter={"text": "printer"} | conditions))["tickets"]
        assert page["totalCount"] == len(page["nodes"])
        return [node["subject"] for node in page["nodes"]]

    assert await found(statuses=["OPEN"]) == [FIRE, CHAIR]
    assert await found(statuses=["CLOSED"]) == []
    assert await found(tags=["burning"]) == [FIRE]
    assert await found(requesterIds=[customer.gid]) == [FIRE, CHAIR]
    assert await found(mine=True) == []
    assert await found(assigneeIds=[agent.gid]) == []


async def test_what_was_found_is_marked_and_all_else_is_escaped(api, tickets, customer):
    page = (await api(customer, FIND, text="truly broken printer"))["tickets"]

    (edge,) = page["edges"]
    assert "<b>" not in edge["highlightHtml"]
    assert "&amp; 5 &lt; 6 <mark>truly</mark> <mark>broken</mark>" in edge["highlightHtml"]
    assert "<mark>printer</mark>" in edge["highlightHtml"]


async def test_without_words_nothing_is_marked(api, tickets, agent):
    plain = "{ tickets { edges { highlightHtml } } }"
    assert (await api(agent, plain))["tickets"]["edges"] == [{"highlightHtml": None}] * 3
    (edge,) = (await api(agent, FIND, text=str(tickets[CHAIR]["number"])))["tickets"]["edges"]
    assert edge["highlightHtml"] is None


async def test_relevance_needs_words(api, tickets, agent):
    query = "{ tickets(orderBy: {field: RELEVANCE, direction: DESC}) { totalCount } }"
    assert await api.refused(agent, query) == "BAD_REQUEST"


async def test_a_long_text_is_refused(api, tickets, agent):
    assert await api.refused(agent, FIND, text="x" * 201) == "BAD_REQUEST"
    assert (await api(agent, FIND, text="x" * 200))["tickets"]["totalCount"] == 0
