"""Every mutation that names what some can't see: one that a viewer can't see is answered as one that never was."""

import json
import re

import graphql
import pytest
from inputs import value_of

from infra.ids import new_id
from infra.transactions import Transaction
from models import Role
from resolvers.root import schema as api

SCHEMA = api._schema
MUTATIONS = SCHEMA.mutation_type.fields
# What an input's fields may name that some viewers can't see, and the prefix of its ids.
NAMED = {
    "ticketId": "tkt",
    "otherTicketId": "tkt",
    "intoTicketId": "tkt",
    "fromTicketId": "tkt",
    "ticketIds": "tkt",
    "commentId": "com",
    "attachmentId": "att",
    "uploadIds": "upl",
    "avatarUploadId": "upl",
    "escalationId": "esc",
    "ticketViewId": "tvw",
    "messageTemplateId": "tpl",
    "apiTokenId": "tok",
    "articleId": "art",
    "versionId": "arv",
    "reviewId": "rev",
}
OF_STAFF = {"art", "arv", "rev"}  # which all of them see
DOORS = [
    (name, field)
    for name, mutation in MUTATIONS.items()
    for field in graphql.get_named_type(mutation.args["input"].type).fields
    if field in NAMED
]
VIEW = """mutation { saveTicketView(input: {name: "Mine", filter: {}}) {
  ... on SaveTicketViewSuccess { ticketView { id } } } }"""
TEMPLATE = """mutation ($of: ID) { saveMessageTemplate(
  input: {name: "Thanks", use: REPLY, body: "Thank you.", departmentId: $of}) {
  ... on SaveMessageTemplateSuccess { messageTemplate { id } } } }"""
TOKEN = """mutation { createApiToken(input: {name: "T"}) { ... on CreateApiTokenSuccess { apiToken { id } } } }"""
ESCALATE = """mutation ($id: ID!) { escalateTicket(input: {ticketId: $id, reason: "Now"}) {
  ... on EscalateTicketSuccess { escalation { id } } } }"""
SHELF = """mutation { saveArticleCategory(input: {name: "Guides"}) {
  ... on SaveArticleCategorySuccess { articleCategory { id } } } }"""
ARTICLE = """mutation ($in: ID!) { createArticle(input: {title: "Draft", body: "To come.", categoryId: $in}) {
  ... on CreateArticleSuccess { article { id draft { id } } } } }"""
REVIEW = """mutation ($of: ID!) { requestArticleReview(input: {articleId: $of, note: "Look."}) {
  ... on RequestArticleReviewSuccess { review { id } } } }"""
COMMENT = """mutation ($input: AddCommentInput!) { addComment(input: $input) {
  ... on AddCommentSuccess { comment { id attachments { id } } } } }"""
TOLD = {
    "InvalidInput": "field message problems { field message }",
    "NotFound": "field message",
    "NotAllowed": "message",
    "Conflict": "reason message current { __typename id }",
    "Refusal": "message",
}


def result_of(mutation):
    """All that a mutation may say of why it did nothing."""
    possible = {type_.name for type_ in SCHEMA.get_possible_types(graphql.get_nullable_type(MUTATIONS[mutation].type))}
    fragments = (f"... on {name} {{ {told} }}" for name, told in TOLD.items() if name in {*possible, "Refusal"})
    of_many = "... on UpdateTicketsSuccess { refused { refusal { message } } }" if mutation == "updateTickets" else ""
    return " ".join(["__typename", *fragments, of_many])


async def made(api, viewer, text, **given):
    """What a mutation has made."""
    (success,) = (await api(viewer, text, **given)).values()
    return next(iter(success.values()))


@pytest.fixture
async def house_of_secrets(house, api, database, submit, uploaded, customer, support, billing, problem, invoices):
    """A ticket of a department, with what hangs on it, and what else is some people's alone; who sees nothing of it."""
    agent = await house.person("Ada Agent", Role.AGENT, support)
    lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    hidden = await submit(customer, problem)
    file = {"ticketId": hidden["id"], "body": "Hm.", "uploadIds": [await uploaded(agent)]}
    said = await made(api, agent, COMMENT, input=file)
    shelf = await made(api, lead, SHELF)
    article = await made(api, agent, ARTICLE, **{"in": shelf["id"]})
    ids = {
        "tkt": hidden["id"],
        "com": said["id"],
        "att": said["attachments"][0]["id"],
        "upl": await uploaded(agent),
        "esc": (await made(api, agent, ESCALATE, id=hidden["id"]))["id"],
        "tvw": (await made(api, agent, VIEW))["id"],
        "tpl": (await made(api, lead, TEMPLATE, of=support.gid))["id"],
        "tok": (await made(api, agent, TOKEN))["id"],
        "art": article["id"],
        "arv": article["draft"]["id"],
        "rev": (await made(api, agent, REVIEW, of=article["id"]))["id"],
    }
    return {
        "ids": ids,
        "people": [
            await house.person("Stella Stranger"),
            None,
            await house.person("Bill Billing", Role.AGENT, billing),
            await house.person("Lena Lead", Role.TEAM_LEAD, billing),
        ],
        "seen": (await submit(customer, invoices))["id"],
        "category": invoices.gid,
        "person": customer.gid,
        "comment": said["id"],
        "shelf": shelf["id"],
    }


@pytest.fixture
def work_done(monkeypatch):
    """The statements of units from now on, and where one begins and ends."""
    done = []
    fetch, execute = Transaction.fetch, Transaction.execute

    async def fetched(self, text, arguments, **given):
        done.append(text)
        return await fetch(self, text, arguments, **given)

    async def executed(self, command, *given):
        done.append(command)
        return await execute(self, command, *given)

    monkeypatch.setattr(Transaction, "fetch", fetched)
    monkeypatch.setattr(Transaction, "execute", executed)
    return done


@pytest.mark.parametrize(("mutation", "field"), DOORS)
async def test_what_is_hidden_is_as_what_never_was(mutation, field, house_of_secrets, api, database, work_done):
    kind = NAMED[field]
    hidden, never = house_of_secrets["ids"][kind], f"{kind}_{new_id()}"
    type_ = graphql.get_named_type(MUTATIONS[mutation].args["input"].type)
    text = f"mutation ($input: {type_.name}!) {{ {mutation}(input: $input) {{ {result_of(mutation)} }} }}"
    others = {f"{name}Id": house_of_secrets[name] for name in ("category", "person", "comment")}

    if mutation == "createArticle":
        others["categoryId"] = house_of_secrets["shelf"]

    def other(name):
        return others.get(name) or house_of_secrets["seen"]

    before, told = await database.counts(), set()
    for viewer in house_of_secrets["people"][: 2 if kind in OF_STAFF else None]:
        answers = []
        for named in (hidden, never):
            work_done.clear()
            given = value_of(type_, {field: named, "other": other, "helpful": True}, "input")
            response = await api.post(viewer, text, input=given)
            body = re.sub(r'"id":"[0-9a-f-]{36}"', "", response.text.replace(named, "ID"))
            answers.append((response.status_code, body, list(work_done)))
        assert answers[0] == answers[1], viewer
        found = json.loads(answers[0][1])
        assert "Success" not in str((found.get("data") or {}).get(mutation, {})) or mutation == "updateTickets", found
        assert "INTERNAL" not in answers[0][1]
        told.add("There is no such" in answers[0][1])
    assert True in told or kind in OF_STAFF  # somebody got as far as being told so
    assert await database.counts() == before


def test_every_door_that_names_a_ticket_is_tried():
    assert {name for name, _ in DOORS} >= {"addComment", "addInternalComment"}
