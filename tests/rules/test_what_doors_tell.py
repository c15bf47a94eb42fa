"""Every mutation that names a ticket or a comment: one that a viewer can't see is answered as one that never was."""

import json
import re

import graphql
import pytest
from inputs import value_of

from infra.ids import new_id
from models import Role
from resolvers.root import schema as api

SCHEMA = api._schema
MUTATIONS = SCHEMA.mutation_type.fields
# What an input's fields may name that some viewers can't see, and the prefix of its ids.
NAMED = {
    "ticketId": "tkt",
    "otherTicketId": "tkt",
    "intoTicketId": "tkt",
    "ticketIds": "tkt",
    "commentId": "com",
}
DOORS = [
    (name, field)
    for name, mutation in MUTATIONS.items()
    for field in graphql.get_named_type(mutation.args["input"].type).fields
    if field in NAMED
]
COMMENT = """mutation ($input: AddCommentInput!) { addComment(input: $input) {
  ... on AddCommentSuccess { comment { id } } } }"""
RESULT = """__typename ... on InvalidInput { field message problems { field message } }
  ... on NotFound { field message } ... on NotAllowed { message }
  ... on Conflict { reason message current { __typename id } } ... on Refusal { message }"""


@pytest.fixture
async def house_of_secrets(house, api, database, submit, customer, support, billing, problem, invoices):
    """A ticket of a department, with what hangs on it; and viewers who see nothing of it."""
    agent = await house.person("Ada Agent", Role.AGENT, support)
    hidden = await submit(customer, problem)
    said = await api(agent, COMMENT, input={"ticketId": hidden["id"], "body": "Hm."})
    seen = await submit(customer, invoices)
    return {
        "ids": {"tkt": hidden["id"], "com": said["addComment"]["comment"]["id"]},
        "people": [
            await house.person("Stella Stranger"),
            await house.person("Bill Billing", Role.AGENT, billing),
            await house.person("Lena Lead", Role.TEAM_LEAD, billing),
            None,
        ],
        "seen": seen["id"],
        "category": invoices.gid,
        "person": customer.gid,
    }


@pytest.mark.parametrize(("mutation", "field"), DOORS)
async def test_what_is_hidden_is_as_what_never_was(mutation, field, house_of_secrets, api, database):
    kind = NAMED[field]
    hidden, never = house_of_secrets["ids"][kind], f"{kind}_{new_id()}"
    type_ = graphql.get_named_type(MUTATIONS[mutation].args["input"].type)
    text = f"mutation ($input: {type_.name}!) {{ {mutation}(input: $input) {{ {RESULT} }} }}"
    others = {"categoryId": house_of_secrets["category"], "personId": house_of_secrets["person"]}

    def other(name):
        return others.get(name) or house_of_secrets["seen"]

    before = await database.counts()
    for viewer in house_of_secrets["people"]:
        answers = []
        for named in (hidden, never):
            given = value_of(type_, {field: named, "other": other}, "input")
            response = await api.post(viewer, text, input=given)
            body = re.sub(r'"id":"[0-9a-f-]{36}"', "", response.text.replace(named, "ID"))
            answers.append((response.status_code, body))
        assert answers[0] == answers[1], viewer
        found = json.loads(answers[0][1])
        assert "Success" not in str((found.get("data") or {}).get(mutation, {})) or mutation == "updateTickets", found
        assert "INTERNAL" not in answers[0][1]
    assert await database.counts() == before


def test_every_door_that_names_a_ticket_is_tried():
    assert {name for name, _ in DOORS} >= {"addComment", "addInternalComment"}
