"""What is kept of plans for other operations: that it is used, and for what is alike alone."""

import gc
import sys

import planner_api as api
import planner_records as models
import pytest

ONE = "query ($id: ID!) {{ ticket(id: $id) {{ {} }} }}"
COMMENTS = "comments(first: {}) {{ nodes {{ {} }} }}"


@pytest.fixture
def builds(monkeypatch):
    """The models whose rows of a ticket a build was asked for, once for each time."""
    asked, on_ticket = [], api.on_ticket

    def counting(model, ticket, viewer):
        asked.append(model)
        return on_ticket(model, ticket, viewer)

    monkeypatch.setattr(api, "on_ticket", counting)
    return asked


async def test_a_build_is_asked_once_for_all_operations(ask, open_desk, agent, customer, rows, builds):
    ticket = next(row for row in rows[models.Ticket] if row.requester_id == customer.id)
    texts = [
        ONE.format(selected)
        for selected in (
            COMMENTS.format(3, "id body"),
            f"number {COMMENTS.format(2, 'link body author { name }')}",
            f"{COMMENTS.format(3, 'body')} subject",
        )
    ]
    for viewer in (agent, customer):
        for text in texts:
            await ask.data(viewer, text, id=f"ptk_{ticket.id}")
    assert len(builds) == 4  # for each kind of viewer and size of page

    for viewer in (customer, agent):
        for text in texts:
            key = f"ptk_{ticket.id}"
            assert await ask.same(viewer, text, id=key) == await open_desk().same(viewer, text, id=key)


async def test_a_leaf_is_written_once_for_the_rows_of_a_model(ask, agent):
    leaves = "mine subject requesterId updatedAt"
    await ask.same(agent, f"{{ tickets(first: 3) {{ nodes {{ {leaves} }} }} }}")
    written = {*ask.engine.kept.leaves.kept}

    deeper = f"{{ nodes {{ {leaves} latest {{ __typename }} }} }}"
    await ask.same(agent, f"{{ people(first: 3) {{ nodes {{ name tickets(first: 2) {deeper} }} }} }}")

    models_of_new = {model for _, _, model, _ in ask.engine.kept.leaves.kept.keys() - written}
    assert models.Person in models_of_new
    fields_of_new = {field for (_, field), _, model, _ in ask.engine.kept.leaves.kept.keys() - written}
    assert not fields_of_new & {*leaves.split()}


async def test_parameters_of_other_operations_are_not_taken_for_ones_own(ask, open_desk, agent):
    variables = {
        "x": {"numbers": [1, 2, 3]},
        "y": {"numbers": [4, 5], "statuses": ["OPEN", "SOLVED"]},
        "z": {"requesterIds": []},
        "s": "said",
    }
    first, second, third, word = (
        "a: tickets(filter: $x) { nodes { number } }",
        "b: tickets(filter: $y) { nodes { number } }",
        "c: tickets(filter: $z) { nodes { number } }",
        "w: word(say: $s)",
    )
    declared = {first: "$x: TicketFilter", second: "$y: TicketFilter", third: "$z: TicketFilter", word: "$s: String!"}
    chosen = [(first,), (second,), (first, second), (second, first), (word, second), (second, word, first)]
    for fields in [*chosen, (third,), (word, third), (third, first)]:
        text = f"query ({' '.join(declared[field] for field in fields)}) {{ {' '.join(fields)} }}"
        assert await ask.same(agent, text, **variables) == await open_desk().same(agent, text, **variables)


async def test_each_part_of_a_kept_list_is_its_own(ask, agent):
    text = """query ($first: Int, $last: Int, $after: String, $before: String) {
        tickets(first: $first, last: $last, after: $after, before: $before) {
            nodes { number } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    everything = (await ask.same(agent, text, first=100))["tickets"]
    cursors = [edge["cursor"] for edge in everything["edges"]]
    for size in range(1, 12):
        for start, end in ((0, 9), (2, 9), (2, 5)):
            bounds = {"before": cursors[end]} | ({"after": cursors[start - 1]} if start else {})
            within = everything["nodes"][start:end]
            first = (await ask.same(agent, text, first=size, **bounds))["tickets"]
            last = (await ask.same(agent, text, last=size, **bounds))["tickets"]
            assert (first["nodes"], last["nodes"]) == (within[:size], within[-size:])


async def test_a_kept_list_is_cut_where_each_operation_says(ask, open_desk, agent):
    page = (await ask.same(agent, "{ tickets(first: 3) { pageInfo { endCursor } } }"))["tickets"]["pageInfo"]
    variables = {"a": page["endCursor"], "b": page["endCursor"], "s": page["endCursor"]}
    for text in (
        "query ($a: String) { tickets(first: 3, after: $a) { nodes { number } } }",
        "query ($a: String) { tickets(first: 3, after: $a) { nodes { number } pageInfo { hasNextPage } } }",
        "query ($b: String, $s: String!) { word(say: $s) tickets(first: 3, after: $b) { nodes { number } } }",
    ):
        assert await ask.same(agent, text, **variables) == await open_desk().same(agent, text, **variables)


@pytest.mark.parametrize(
    "said",
    [
        "tickets(after: $said) { nodes { number } pageInfo { hasPreviousPage } }",
        "tickets(before: $said, last: 3) { edges { cursor } }",
        "tickets(filter: {text: $said}) { totalCount }",
        "tickets(filter: {tags: [$said, $said]}) { totalCount }",
        "tickets(filter: {anyOf: [{tags: [$said]}]}) { totalCount }",
        "word(say: $said)",
    ],
)
async def test_no_plan_keeps_what_the_request_has_said_that_it_was_made_for(ask, agent, said):
    """Or whoever sends much with each new operation would fill the memory."""
    text = " ".join(map(str, range(20_000)))
    before, alone = (
        len(ask.engine.plans.kept),
        sys.getrefcount(text),
    )  # Pythons count what they hold themselves otherwise

    await ask(agent, f"query ($said: String!) {{ {said} }}", said=text)

    assert len(ask.engine.plans.kept) > before
    gc.collect()
    assert sys.getrefcount(text) == alone
