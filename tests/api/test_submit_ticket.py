"""Submitting a ticket: routed, confirmed, announced, and refused without a trace."""

from unittest.mock import ANY

import pytest

from domain.jobs import AnnounceTicket, SendMessage

SEEN = """query ($id: ID!) { ticket(id: $id) {
  number subject body bodyHtml status priority channel tags updatedAt lastSeq
  category { name } department { name } requester { name } assignee { name }
  triage { topic pending suggestedCategory { name } }
  events { nodes { __typename seq actor { name }
    ... on TicketRouted { fromDepartment { name } toDepartment { name } }
    ... on TicketSubmitted { subject initialPriority initialCategory { name } initialTags channel }
    ... on MessageSent { recipient { name } messageKind deliveryStatus } } } } }"""


async def test_a_customer_submits_and_all_that_is_due_is_asked_for(api, submit, work, customer, problem):
    ticket = await submit(customer, problem)

    assert ticket == {"id": ANY, "number": ANY, "subject": "Printer on fire", "status": "OPEN", "priority": "NORMAL"}
    assert await work.asked() == [SendMessage(ANY), AnnounceTicket(ANY)]
    seen = (await api(customer, SEEN, id=ticket["id"]))["ticket"]
    assert seen["department"] == {"name": "Technical Support"}
    assert seen["bodyHtml"] == "<p>It <strong>burns</strong>.</p>"
    assert [(event["__typename"], event["seq"]) for event in seen["events"]["nodes"]] == [
        ("TicketSubmitted", 1),
        ("TicketRouted", 2),
    ]
    assert seen["lastSeq"] == 2
    assert seen["tags"] == []


async def test_the_agent_sees_that_mail_was_sent_and_the_customer_does_not(
    api, submit, work, mailbox, customer, agent, problem
):
    ticket = await submit(customer, problem)
    await work.run()

    seen = (await api(agent, SEEN, id=ticket["id"]))["ticket"]
    assert seen["lastSeq"] == 3
    assert seen["events"]["nodes"][2] == {
        "__typename": "MessageSent",
        "seq": 3,
        "actor": None,
        "recipient": {"name": "Carla Customer"},
        "messageKind": "TICKET_RECEIVED",
        "deliveryStatus": "SENT",
    }
    (letter,) = mailbox.to("carla.customer@example.com")
    assert letter["Subject"] == f"[#{ticket['number']}] Printer on fire"
    assert letter["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"subject": " \n "}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"body": ""}, "body"),
        ({"body": "x" * 20_001}, "body"),
        ({"otherTopic": "What it is about"}, "otherTopic"),
        ({"categoryId": "cat_1"}, "categoryId"),
        ({"serviceId": "nonsense"}, "serviceId"),
        ({"uploadIds": ["upl_x"]}, "uploadIds.0"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(submit, database, customer, problem, given, field):
    before = await database.counts()

    refusal = await submit(customer, problem, **given)

    assert refusal["__typename"] == "InvalidInput"
    assert refusal["field"] == field
    assert await database.counts() == before
