"""Submitting a ticket: routed, confirmed, announced, and refused without a trace."""

from unittest.mock import ANY

import pytest

from domain import sessions
from domain.jobs import Announce, Count
from infra import unit

SUBMIT = """mutation($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename } }"""

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
    assert await work.asked() == [Announce(ANY), Count(ANY)]
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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"categoryId": ""}, "This can't be empty."),  # as a form sends it in which nothing was chosen
        ({"categoryId": "cat_1"}, "This is not an id."),
        ({"categoryId": "upl_1"}, "This is not the id of a Category."),
        ({"uploadIds": ["cat_1"]}, "This is not the id of an Upload."),
    ],
)
async def test_what_is_wrong_with_an_id_can_be_read(api, customer, problem, given, said):
    form = {"subject": "Printer on fire", "body": "It burns.", "categoryId": problem.gid} | given
    ask = "mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) { ... on Refusal { message } } }"

    assert (await api(customer, ask, input=form))["submitTicket"] == {"message": said}


async def test_all_that_is_wrong_is_said_together_what_is_no_id_first(api, database, customer, agent, other):
    before = await database.counts()
    ask = """mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) {
      ... on InvalidInput { field message problems { field message } } ... on NotAllowed { message } } }"""
    form = {"subject": "", "body": " ", "categoryId": "cat_1", "serviceId": "", "uploadIds": [agent.gid]}

    refusal = (await api(customer, ask, input=form))["submitTicket"]

    fields = ["categoryId", "serviceId", "uploadIds.0", "subject", "body"]
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert {"field": refusal["field"], "message": refusal["message"]} == refusal["problems"][0]
    refusal = (await api(customer, ask, input={"subject": "", "body": "?", "categoryId": other.gid}))["submitTicket"]
    assert [problem["field"] for problem in refusal["problems"]] == ["subject", "otherTopic"]
    refusal = (await api(customer, ask, input=form | {"requesterId": agent.gid}))["submitTicket"]
    assert refusal == {"message": "Only staff submit tickets for others."}  # whatever they filled in
    assert await database.counts() == before


# --- What may be said -------------------------------------------------------------------------------------------------


async def test_a_category_of_everything_else_asks_what_it_is_about(submit, database, customer, other):
    before = await database.counts()

    for given in ({}, {"otherTopic": None}, {"otherTopic": " \t"}):
        refusal = await submit(customer, other, **given)
        assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", "otherTopic")
    too_long = await submit(customer, other, otherTopic="x" * 201)
    assert (too_long["__typename"], too_long["field"]) == ("InvalidInput", "otherTopic")
    assert await database.counts() == before


async def test_a_category_is_suggested_to_staff_alone(api, submit, customer, agent, other, invoices):
    ticket = await submit(customer, other, otherTopic="  A refund ", subject="Charged twice", body="Please look.")

    seen = [(await api(viewer, SEEN, id=ticket["id"]))["ticket"]["triage"] for viewer in (customer, agent)]

    assert seen[0] == {"topic": "A refund", "pending": True, "suggestedCategory": None}
    assert seen[1] == {"topic": "A refund", "pending": True, "suggestedCategory": {"name": "Invoices"}}


async def test_what_was_archived_since_is_suggested_no_more(
    api, submit, database, customer, agent, director, other, invoices
):
    ticket = await submit(customer, other, otherTopic="A refund", subject="Charged twice", body="Please look.")
    await database.rows("UPDATE categories SET archived_at = now() WHERE id = :id", id=invoices.id)

    seen = [(await api(viewer, SEEN, id=ticket["id"]))["ticket"]["triage"] for viewer in (agent, director)]

    assert seen == [{"topic": "A refund", "pending": True, "suggestedCategory": None}] * 2


async def test_staff_elsewhere_see_their_own_ticket_as_customers_do(api, submit, billing_agent, other, invoices):
    ticket = await submit(billing_agent, other, otherTopic="An invoice", tags=["mine"])

    seen = (await api(billing_agent, SEEN, id=ticket["id"]))["ticket"]

    assert seen["triage"] == {"topic": "An invoice", "pending": True, "suggestedCategory": None}
    assert seen["tags"] == []


async def test_nothing_is_suggested_when_no_category_comes_near(api, submit, customer, agent, other, invoices):
    ticket = await submit(customer, other, otherTopic="Parking", subject="Bicycles", body="Where do they go?")

    triage = (await api(agent, SEEN, id=ticket["id"]))["ticket"]["triage"]

    assert triage == {"topic": "Parking", "pending": True, "suggestedCategory": None}


async def test_a_plain_category_needs_no_triage(api, submit, agent, customer, problem):
    ticket = await submit(customer, problem, otherTopic=None)

    assert (await api(agent, SEEN, id=ticket["id"]))["ticket"]["triage"] is None


async def test_a_customer_says_how_urgent_it_is_up_to_high(submit, customer, problem):
    given = [(await submit(customer, problem, priority=priority))["priority"] for priority in ("LOW", "NORMAL", "HIGH")]

    assert given == ["LOW", "NORMAL", "HIGH"]


async def test_the_priority_of_the_category_holds_when_none_is_given(submit, database, customer, problem):
    await database.rows("UPDATE categories SET default_priority = 'HIGH' WHERE id = :id", id=problem.id)

    assert (await submit(customer, problem))["priority"] == "HIGH"
    assert (await submit(customer, problem, priority="LOW"))["priority"] == "LOW"


@pytest.mark.parametrize("given", [{"priority": "URGENT"}, {"tags": ["vip"]}, {"tags": []}])
async def test_what_is_for_staff_is_not_allowed_to_customers(submit, database, customer, problem, given):
    before = await database.counts()

    refusal = await submit(customer, problem, **given)

    assert refusal["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_customer_submits_for_nobody_else_and_learns_nothing_of_them(
    submit, database, customer, stranger, agent, problem
):
    before = await database.counts()

    refusals = [
        await submit(customer, problem, requesterId=requester)
        for requester in (stranger.gid, agent.gid, f"per_{problem.id}")
    ]

    assert refusals[0]["__typename"] == "NotAllowed"
    assert refusals == [refusals[0]] * 3
    assert await database.counts() == before


async def test_an_agent_submits_for_a_customer(api, submit, work, mailbox, customer, agent, problem):
    ticket = await submit(
        agent, problem, requesterId=customer.gid, priority="URGENT", tags=[" VIP ", "vip", "by phone"]
    )

    assert ticket["priority"] == "URGENT"
    seen = (await api(agent, SEEN, id=ticket["id"]))["ticket"]
    assert (seen["requester"], seen["channel"]) == ({"name": "Carla Customer"}, "AGENT")
    assert seen["tags"] == ["vip", "by phone"]
    submitted = seen["events"]["nodes"][0]
    assert (submitted["actor"], submitted["initialTags"]) == ({"name": "Ada Agent"}, ["vip", "by phone"])
    assert (await api(customer, SEEN, id=ticket["id"]))["ticket"]["tags"] == []
    await work.run()
    assert [letter.bcc for letter in mailbox.letters] == [[customer.email]]


async def test_an_agent_is_told_of_a_ticket_that_goes_where_they_do_not_work(
    api, submit, database, customer, agent, invoices
):
    given = {"requesterId": customer.gid, "tags": ["by phone"], "idempotencyKey": "once"}

    ticket = await submit(agent, invoices, **given)

    assert ticket["subject"] == "Printer on fire"
    assert await submit(agent, invoices, **given) == ticket
    assert (await api(agent, SEEN, id=ticket["id"]))["ticket"] is None
    assert (await database.counts())["tickets"] == 1


async def test_an_agent_may_submit_for_themselves(api, submit, agent, problem):
    ticket = await submit(agent, problem)

    seen = (await api(agent, SEEN, id=ticket["id"]))["ticket"]
    assert (seen["requester"], seen["channel"]) == ({"name": "Ada Agent"}, "PORTAL")


async def test_staff_submit_for_customers_alone(submit, database, agent, director, stranger, problem):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=stranger.id)
    before = await database.counts()

    for_staff = await submit(agent, problem, requesterId=director.gid)
    for_one_shut_out = await submit(agent, problem, requesterId=stranger.gid)
    for_nobody = await submit(agent, problem, requesterId=f"per_{problem.id}")
    for_a_thing = await submit(agent, problem, requesterId=problem.gid)

    assert (for_staff["__typename"], for_staff["field"]) == ("InvalidInput", "requesterId")
    assert for_one_shut_out == {
        "__typename": "NotFound",
        "field": "requesterId",
        "message": "There is no such person.",
    }
    assert for_nobody == for_one_shut_out
    assert (for_a_thing["__typename"], for_a_thing["field"]) == ("InvalidInput", "requesterId")
    assert await database.counts() == before


@pytest.mark.parametrize(
    ("tags", "field"), [(["ok", " "], "tags.1"), (["x" * 51], "tags.0"), ([str(n) for n in range(21)], "tags")]
)
async def test_tags_are_few_and_short(submit, database, agent, problem, tags, field):
    before = await database.counts()

    refusal = await submit(agent, problem, tags=tags)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", field)
    assert await database.counts() == before


async def test_all_that_is_wrong_is_said_at_once(submit, database, agent, problem):
    before = await database.counts()

    refusal = await submit(agent, problem, subject="", body=" ", tags=[""])

    assert [problem["field"] for problem in refusal["problems"]] == ["subject", "body", "tags.0"]
    assert await database.counts() == before


async def test_a_ticket_may_concern_a_service(api, submit, house, customer, problem):
    service = await house.service("API")

    ticket = await submit(customer, problem, serviceId=service.gid)

    seen = await api(customer, "query($id: ID!) { ticket(id: $id) { service { name } } }", id=ticket["id"])
    assert seen["ticket"]["service"] == {"name": "API"}


async def test_what_is_archived_or_not_there_is_not_found(
    submit, house, database, customer, agent, admin, support, problem
):
    service, archived = await house.service("Telex"), await house.category("Faxes", support)
    for table, thing in (("categories", archived), ("services", service)):
        await database.rows(f"UPDATE {table} SET archived_at = :now WHERE id = :id", now=unit.now(), id=thing.id)
    before = await database.counts()

    for viewer in (customer, agent, admin):
        for field, what, missing in (
            ("categoryId", "category", archived.gid),
            ("categoryId", "category", f"cat_{customer.id}"),
            ("serviceId", "service", service.gid),
            ("serviceId", "service", f"svc_{customer.id}"),
        ):
            answer = await submit(viewer, problem, **{field: missing})
            assert answer == {"__typename": "NotFound", "field": field, "message": f"There is no such {what}."}
    assert await database.counts() == before


# --- Who may, and how often -------------------------------------------------------------------------------------------


async def test_nobody_submits_who_is_not_signed_in(api, database, problem):
    given = {"subject": "Hello", "body": "Is anyone there?", "categoryId": problem.gid}
    before = await database.counts()

    assert await api.refused(None, SUBMIT, input=given) == "UNAUTHENTICATED"
    assert await api.refused(None, SUBMIT, input=given | {"idempotencyKey": "once"}) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_what_was_done_before_keeps_its_answer(api, problem):
    both = """mutation($email: String!, $input: SubmitTicketInput!) {
      requestSignInLink(input: {email: $email}) { __typename } submitTicket(input: $input) { __typename } }"""
    given = {"subject": "Hello", "body": "Is anyone there?", "categoryId": problem.gid}

    answer = await api.answer(None, both, email="somebody@example.com", input=given)

    assert answer["data"] == {"requestSignInLink": {"__typename": "RequestSignInLinkSuccess"}, "submitTicket": None}
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]) == (["submitTicket"], {"code": "UNAUTHENTICATED"})


async def test_a_session_for_one_ticket_submits_no_other(api, desk, database, customer, problem, submit, ticket):
    async with desk.writes.begin() as writing:
        opened = await sessions.open_for(desk, writing, customer.id)
    await database.rows(
        "UPDATE sessions SET ticket_id = CAST(:ticket AS uuid) WHERE id = :id", ticket=ticket.id, id=opened.session_id
    )
    customer.token = (await sessions.refresh(desk, "somewhere", token=opened.refresh_token)).access_token
    before = await database.counts()

    assert (await submit(customer, problem))["__typename"] == "NotAllowed"
    assert (await submit(customer, problem, idempotencyKey="once"))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_customer_submits_sixty_tickets_an_hour_at_most(submit, database, customer, stranger, problem):
    for _ in range(60):
        assert (await submit(customer, problem))["number"]
    before = await database.counts()

    refusal = await submit(customer, problem)

    assert refusal["__typename"] == "RateLimited"
    assert await database.counts() == before
    assert (await submit(stranger, problem))["number"]


async def test_staff_submit_as_many_as_come_in_by_telephone(submit, agent, customer, problem):
    for _ in range(61):
        assert (await submit(agent, problem, requesterId=customer.gid))["number"]


async def test_what_is_refused_for_another_reason_is_not_counted(submit, database, customer, problem):
    await submit(customer, problem, subject="")
    await submit(customer, problem, categoryId=f"cat_{customer.id}")

    assert await database.rows("SELECT count FROM attempts") == []


# --- What follows -----------------------------------------------------------------------------------------------------


async def test_an_address_that_nobody_reads_gets_no_mail(api, submit, house, work, mailbox, database, agent, problem):
    robot = await house.person("Robot", email="no-reply@machines.example")

    ticket = await submit(agent, problem, requesterId=robot.gid)
    await work.run()

    assert mailbox.letters == []
    events = (await api(agent, SEEN, id=ticket["id"]))["ticket"]["events"]["nodes"]
    assert [event.get("deliveryStatus") for event in events] == [None, None, "SKIPPED"]
    assert await database.rows("SELECT status FROM messages") == [{"status": "SKIPPED"}]


async def test_tickets_are_numbered_upwards(submit, customer, problem):
    numbers = [(await submit(customer, problem))["number"] for _ in range(3)]

    assert numbers == sorted(set(numbers))
