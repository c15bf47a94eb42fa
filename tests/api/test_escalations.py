"""Escalating by hand, acknowledging, ending; who may, who sees what of it, and tickets by level."""

from types import SimpleNamespace

import pytest

import models
from domain.tickets import deserted
from models import Role

ESCALATION = """id level reason at rule { name } escalatedBy { name } escalatedTo { name } acknowledgedAt
  acknowledgedBy { name } endedAt ticket { number }"""
REFUSALS = """... on InvalidInput { field } ... on NotFound { field } ... on NotAllowed { message }
  ... on Conflict { reason current { id } }"""
ESCALATE = f"""mutation ($input: EscalateTicketInput!) {{ escalateTicket(input: $input) {{ __typename
  ... on EscalateTicketSuccess {{ ticket {{ id }} escalation {{ {ESCALATION} }} }} {REFUSALS} }} }}"""
ACKNOWLEDGE = f"""mutation ($id: ID!) {{ acknowledgeEscalation(input: {{escalationId: $id}}) {{ __typename
  ... on AcknowledgeEscalationSuccess {{ escalation {{ {ESCALATION} }} }}
  ... on NotFound {{ field }} ... on NotAllowed {{ message }} ... on Conflict {{ reason current {{ id }} }} }} }}"""
END = f"""mutation ($id: ID!, $reason: String) {{ endEscalation(input: {{escalationId: $id, reason: $reason}}) {{
  __typename ... on EndEscalationSuccess {{ escalation {{ {ESCALATION} }} }} {REFUSALS} }} }}"""
TICKET = f"""query ($id: ID!) {{ ticket(id: $id) {{ escalation {{ {ESCALATION} }}
  escalations {{ totalCount nodes {{ {ESCALATION} }} }}
  events(first: 100) {{ nodes {{ __typename ... on EscalationEnded {{ endReason escalation {{ level }} }} }} }} }} }}"""
BY_ID = f"query ($id: ID!) {{ node(id: $id) {{ id ... on Escalation {{ {ESCALATION} }} }} }}"
NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def people(house, support, billing, customer, stranger, agent, billing_agent, director, admin, ticket, desk):
    """Everyone whom an escalation may concern."""
    found = SimpleNamespace(
        customer=customer, stranger=stranger, agent=agent, billing_agent=billing_agent, director=director, admin=admin
    )
    found.lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    found.second_lead = await house.person("Lia Lead", Role.TEAM_LEAD, support)
    found.manager = await house.person("Mia Manager", Role.MANAGER, support)
    found.other_manager = await house.person("Max Manager", Role.MANAGER, billing)
    found.watching_manager = await house.person("Moe Manager", Role.MANAGER, billing)
    async with desk.writes.begin() as unit:
        unit.insert(models.Watcher, ticket_id=ticket.uuid, person_id=found.watching_manager.id)
    return found


@pytest.fixture
def escalate(api, people, ticket):
    """Escalates the ticket; gives the escalation, or the refusal."""

    async def escalated(viewer=None, **given):
        given = {"ticketId": ticket.gid, "reason": "They threaten to leave."} | given
        answer = (await api(viewer or people.agent, ESCALATE, input=given))["escalateTicket"]
        return answer.get("escalation") or answer

    return escalated


@pytest.fixture
def acknowledge(api):
    async def done(viewer, gid):
        answer = (await api(viewer, ACKNOWLEDGE, id=gid))["acknowledgeEscalation"]
        return answer.get("escalation") or answer

    return done


@pytest.fixture
def end(api):
    async def done(viewer, gid, reason=None):
        answer = (await api(viewer, END, id=gid, reason=reason))["endEscalation"]
        return answer.get("escalation") or answer

    return done


def named(people):
    return [person["name"] for person in people]


async def test_an_agent_raises_a_ticket_level_by_level(api, escalate, database, people, ticket):
    first = await escalate()
    assert first["id"].startswith("esc_")
    assert (first["level"], first["reason"], first["rule"]) == ("TEAM_LEAD", "They threaten to leave.", None)
    assert first["escalatedBy"] == {"name": "Ada Agent"}
    assert named(first["escalatedTo"]) == ["Leo Lead", "Lia Lead"]
    assert first["ticket"] == {"number": ticket.number}
    assert (first["acknowledgedAt"], first["acknowledgedBy"], first["endedAt"]) == (None, None, None)

    second = await escalate(reason="Still nothing.")
    assert (second["level"], named(second["escalatedTo"])) == ("MANAGER", ["Mia Manager"])
    third = await escalate(reason="Help!")
    assert (third["level"], named(third["escalatedTo"])) == ("DIRECTOR", ["Dora Director"])

    seen = (await api(people.agent, TICKET, id=ticket.gid))["ticket"]
    assert seen["escalation"]["id"] == third["id"]
    assert seen["escalations"]["totalCount"] == 3
    assert [each["id"] for each in seen["escalations"]["nodes"]] == [third["id"], second["id"], first["id"]]
    assert [each["endedAt"] is None for each in seen["escalations"]["nodes"]] == [True, False, False]
    rows = await database.rows("SELECT escalation_rank FROM tickets WHERE id = :id", id=ticket.uuid)
    assert rows == [{"escalation_rank": 3}]
    actors = await database.rows("SELECT DISTINCT actor_id FROM events WHERE kind LIKE '%Escalat%'")
    assert actors == [{"actor_id": people.agent.id}]


async def test_a_level_may_be_chosen_and_must_be_higher(escalate, people, ticket, database):
    assert (await escalate(level="MANAGER"))["level"] == "MANAGER"
    before = await database.counts()

    done = {"__typename": "Conflict", "reason": "ALREADY_DONE", "current": {"id": ticket.gid}}
    assert await escalate(level="MANAGER") == done
    assert await escalate(level="TEAM_LEAD") == done
    assert await database.counts() == before
    assert (await escalate(level="DIRECTOR"))["level"] == "DIRECTOR"
    before = await database.counts()
    for given in ({}, {"level": "DIRECTOR"}, {"level": "TEAM_LEAD"}):
        assert await escalate(**given) == done
    assert await database.counts() == before


async def test_past_levels_where_nobody_is(api, escalate, people, database, ticket):
    await database.rows("UPDATE people SET active = false WHERE role IN ('TEAM_LEAD', 'MANAGER', 'DIRECTOR')")

    answer = await escalate()

    assert (answer["level"], named(answer["escalatedTo"])) == ("DIRECTOR", ["Alex Admin"])
    seen = (await api(people.agent, TICKET, id=ticket.gid))["ticket"]["escalations"]["nodes"]
    assert [(each["level"], len(each["escalatedTo"])) for each in seen] == [
        ("DIRECTOR", 1),
        ("MANAGER", 0),
        ("TEAM_LEAD", 0),
    ]


async def test_of_levels_that_were_passed_nobody_hears_but_of_the_last(
    escalate, api, people, database, work, mailbox, ticket, customer
):
    await database.rows("UPDATE people SET active = false WHERE role = 'TEAM_LEAD'")
    await work.run()
    mailbox.letters.clear()

    await escalate()
    await work.run()

    for person in (customer, people.watching_manager, people.manager):
        (letter,) = mailbox.to(person.email)
        assert "Ada Agent has escalated it to the manager." in letter.get_body(("plain",)).get_content()
        told = await api(person, "{ viewer { notifications { nodes { kind body } } } }")
        news = [each["body"] for each in told["viewer"]["notifications"]["nodes"] if each["kind"] == "TICKET_ESCALATED"]
        assert len(news) == 1
        assert "to the manager" in news[0]


async def test_the_same_intent_is_done_once(escalate, database):
    first = await escalate(idempotencyKey="k1")
    before = await database.counts()

    assert (await escalate(idempotencyKey="k1"))["id"] == first["id"]
    assert (await escalate(idempotencyKey="k1", reason="Another."))["reason"] == "KEY_REUSED"
    assert await database.counts() == before


@pytest.mark.parametrize("status", ["RESOLVED", "CLOSED"])
async def test_what_is_resolved_is_not_escalated(escalate, database, ticket, status):
    await database.rows("UPDATE tickets SET status = :status", status=status)
    before = await database.counts()

    refusal = {"__typename": "Conflict", "reason": "WRONG_STATE", "current": {"id": ticket.gid}}
    assert await escalate() == refusal
    assert await database.counts() == before


@pytest.mark.parametrize(
    ("given", "field"),
    [({"reason": " "}, "reason"), ({"reason": "x" * 501}, "reason"), ({"ticketId": "x"}, "ticketId")],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(escalate, database, given, field):
    before = await database.counts()
    assert await escalate(**given) == {"__typename": "InvalidInput", "field": field}
    assert await database.counts() == before


async def test_who_may_not_escalate_can_not_tell(api, http, desk, escalate, database, people, ticket):
    before = await database.counts()
    missing = f"tkt_{NOWHERE}"
    for viewer in (people.customer, people.stranger):
        for ticket_id in (ticket.gid, missing):
            answer = await escalate(viewer, ticketId=ticket_id)
            assert answer == {"__typename": "NotAllowed", "message": "Only staff may do this."}
    for viewer in (people.billing_agent, people.other_manager):
        for ticket_id in (ticket.gid, missing):
            assert await escalate(viewer, ticketId=ticket_id) == {"__typename": "NotFound", "field": "ticketId"}
    assert (await escalate(people.watching_manager))["__typename"] == "NotAllowed"
    given = {"ticketId": ticket.gid, "reason": "x"}
    assert await api.refused(None, ESCALATE, input=given) == "UNAUTHENTICATED"
    assert await database.counts() == before


# --- Settling ---------------------------------------------------------------------------------------------------------

CAN = "query($id: ID!) { ticket(id: $id) { viewerCan } }"
MAY_SETTLE = {
    "TEAM_LEAD": {"lead", "second_lead", "manager", "director", "admin"},
    "MANAGER": {"manager", "director", "admin"},
    "DIRECTOR": {"director", "admin"},
}


@pytest.mark.parametrize("level", MAY_SETTLE)
async def test_it_is_settled_by_whom_it_was_escalated_to_and_those_above(
    api, escalate, acknowledge, end, database, people, ticket, level
):
    made = await escalate(level=level)
    before = await database.counts()
    for name, viewer in vars(people).items():
        if name in MAY_SETTLE[level]:
            continue
        unseen = name in {"billing_agent", "other_manager"}
        for answer in (await acknowledge(viewer, made["id"]), await end(viewer, made["id"])):
            assert answer["__typename"] == ("NotFound" if unseen else "NotAllowed"), name
        for answer in (await acknowledge(viewer, f"esc_{NOWHERE}"), await end(viewer, f"esc_{NOWHERE}")):
            expected = "NotAllowed" if name in {"customer", "stranger"} else "NotFound"
            assert answer["__typename"] == expected, name
    assert await api.refused(None, ACKNOWLEDGE, id=made["id"]) == "UNAUTHENTICATED"
    assert await api.refused(None, END, id=made["id"]) == "UNAUTHENTICATED"
    assert await database.counts() == before

    for name, viewer in vars(people).items():
        seen = (await api(viewer, CAN, id=ticket.gid))["ticket"]
        assert (seen is not None and "SETTLE_ESCALATION" in seen["viewerCan"]) == (name in MAY_SETTLE[level]), name
    for name in sorted(MAY_SETTLE[level]):
        await database.rows("UPDATE escalations SET acknowledged_at = NULL, acknowledged_by_id = NULL")
        answer = await acknowledge(getattr(people, name), made["id"])
        assert answer["acknowledgedBy"] == {"name": getattr(people, name).name}, name
        ended = await end(getattr(people, name), answer["id"], "It is fine.")
        assert ended["endedAt"] is not None, name
        await database.rows("UPDATE escalations SET ended_at = NULL")
        await database.rows("UPDATE tickets SET escalation_rank = 1")


async def test_a_lead_who_came_later_is_not_among_those_it_was_escalated_to(
    api, escalate, acknowledge, house, support, ticket
):
    made = await escalate()
    late = await house.person("Lou Late", Role.TEAM_LEAD, support)
    assert (await acknowledge(late, made["id"]))["__typename"] == "NotAllowed"
    assert "SETTLE_ESCALATION" not in (await api(late, CAN, id=ticket.gid))["ticket"]["viewerCan"]


MOVE = "mutation ($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename } }"


async def test_it_goes_with_the_ticket_to_those_of_its_level_in_another_department(
    api, escalate, acknowledge, house, work, mailbox, database, people, billing, ticket
):
    there = await house.person("Lou Lead", Role.TEAM_LEAD, billing)
    made = await escalate()
    await work.run()
    mailbox.letters.clear()

    await api(people.director, MOVE, input={"ticketId": ticket.gid, "departmentId": billing.gid})
    await work.run()

    assert "SETTLE_ESCALATION" in (await api(there, CAN, id=ticket.gid))["ticket"]["viewerCan"]
    told = await database.rows("SELECT kind FROM notifications WHERE person_id = :id", id=there.id)
    assert [row["kind"] for row in told] == ["TICKET_ESCALATED"]
    (letter,) = mailbox.to(there.email)
    text = letter.get_body(("plain",)).get_content()
    assert [each in text for each in ("It is with Billing now.", "It is escalated.", "They threaten to leave.")] == [
        True
    ] * 3
    assert mailbox.to(people.lead.email) == []
    done = await acknowledge(there, made["id"])
    assert done["acknowledgedBy"] == {"name": "Lou Lead"}
    assert named(done["escalatedTo"]) == ["Leo Lead", "Lia Lead", "Lou Lead"]


async def test_it_goes_up_in_another_department_where_nobody_is_of_its_level(
    api, escalate, acknowledge, work, mailbox, people, billing, ticket
):
    made = await escalate()
    await work.run()
    mailbox.letters.clear()

    await api(people.director, MOVE, input={"ticketId": ticket.gid, "departmentId": billing.gid})
    await work.run()

    found = (await api(people.director, TICKET, id=ticket.gid))["ticket"]
    assert [(each["level"], named(each["escalatedTo"])) for each in found["escalations"]["nodes"]] == [
        ("MANAGER", ["Max Manager", "Moe Manager"]),
        ("TEAM_LEAD", ["Leo Lead", "Lia Lead"]),
    ]
    assert found["escalation"]["reason"] == "They threaten to leave."
    assert [kind["__typename"] for kind in found["events"]["nodes"] if kind["__typename"] != "MessageSent"][-3:] == [
        "TicketRouted",
        "EscalationEnded",
        "TicketEscalated",
    ]
    assert "They threaten to leave." in mailbox.to(people.other_manager.email)[-1].as_string()
    assert (await acknowledge(people.lead, made["id"]))["__typename"] == "NotFound"  # who sees it no more
    done = await acknowledge(people.other_manager, found["escalation"]["id"])
    assert done["acknowledgedBy"] == {"name": "Max Manager"}


async def test_what_was_acknowledged_stays_where_nobody_is_of_its_level(
    api, escalate, acknowledge, people, billing, ticket
):
    made = await escalate()
    await acknowledge(people.lead, made["id"])

    await api(people.director, MOVE, input={"ticketId": ticket.gid, "departmentId": billing.gid})

    found = (await api(people.director, TICKET, id=ticket.gid))["ticket"]
    assert [each["level"] for each in found["escalations"]["nodes"]] == ["TEAM_LEAD"]
    assert found["escalation"]["id"] == made["id"]


async def test_an_escalation_is_acknowledged_once(api, escalate, acknowledge, database, people, ticket):
    made = await escalate()

    done = await acknowledge(people.lead, made["id"])

    assert done["acknowledgedBy"] == {"name": "Leo Lead"}
    before = await database.counts()
    already = {"__typename": "Conflict", "reason": "ALREADY_DONE", "current": {"id": made["id"]}}
    assert await acknowledge(people.lead, made["id"]) == already
    assert await acknowledge(people.manager, made["id"]) == already
    assert await database.counts() == before
    seen = (await api(people.customer, TICKET, id=ticket.gid))["ticket"]
    assert seen["escalation"]["acknowledgedBy"] == {"name": "Leo Lead"}
    assert "EscalationAcknowledged" in [event["__typename"] for event in seen["events"]["nodes"]]


async def test_an_escalation_is_ended_once_and_then_not_acknowledged(
    api, escalate, acknowledge, end, database, people, ticket
):
    made = await escalate()

    ended = await end(people.lead, made["id"], "Solved by phone.")

    assert ended["endedAt"] is not None
    before = await database.counts()
    conflict = {"__typename": "Conflict", "current": {"id": made["id"]}}
    assert await end(people.lead, made["id"]) == conflict | {"reason": "ALREADY_DONE"}
    assert await acknowledge(people.lead, made["id"]) == conflict | {"reason": "WRONG_STATE"}
    assert await database.counts() == before
    seen = (await api(people.agent, TICKET, id=ticket.gid))["ticket"]
    assert seen["escalation"] is None
    told = seen["events"]["nodes"][-1]
    assert (told["__typename"], told["endReason"]) == ("EscalationEnded", "Solved by phone.")
    (row,) = await database.rows("SELECT escalation_rank, escalates_since FROM tickets")
    assert row["escalation_rank"] == 0
    assert row["escalates_since"] is not None
    assert (await escalate())["level"] == "TEAM_LEAD"  # and begins anew


async def test_one_that_a_higher_level_ended_is_not_settled(escalate, acknowledge, end, people):
    made = await escalate()
    await escalate()

    assert (await acknowledge(people.manager, made["id"]))["reason"] == "WRONG_STATE"
    assert (await end(people.manager, made["id"]))["reason"] == "ALREADY_DONE"


async def test_a_reason_to_end_is_short(escalate, end, database, people):
    made = await escalate()
    before = await database.counts()

    assert await end(people.lead, made["id"], "x" * 501) == {"__typename": "InvalidInput", "field": "reason"}
    assert await end(people.lead, "x") == {"__typename": "InvalidInput", "field": "escalationId"}
    assert await database.counts() == before


# --- Who sees what ----------------------------------------------------------------------------------------------------


async def test_customers_see_that_it_is_escalated_and_not_why_or_to_whom(api, escalate, end, people, ticket):
    made = await escalate(reason="secret-reason")
    await end(people.lead, made["id"], "secret-end")
    made = await escalate(reason="secret-reason")
    hidden = {"reason": None, "rule": None, "escalatedBy": None, "escalatedTo": []}
    for viewer in (people.customer, people.watching_manager):
        answer = await api.post(viewer, TICKET, id=ticket.gid)
        seen = answer.json()["data"]["ticket"]
        assert "secret" not in answer.text
        assert seen["escalation"].items() >= hidden.items()
        assert (seen["escalation"]["level"], seen["escalation"]["id"]) == ("TEAM_LEAD", made["id"])
        assert seen["escalations"]["totalCount"] == 2
        found = (await api(viewer, BY_ID, id=made["id"]))["node"]
        assert found.items() >= hidden.items()
    for viewer in (people.agent, people.manager, people.director):
        found = (await api(viewer, BY_ID, id=made["id"]))["node"]
        assert (found["reason"], len(found["escalatedTo"])) == ("secret-reason", 2)


async def test_who_does_not_see_the_ticket_does_not_see_its_escalation(api, escalate, people):
    made = await escalate()
    for viewer in (people.stranger, people.billing_agent, people.other_manager):
        answers = [await api.post(viewer, BY_ID, id=gid) for gid in (made["id"], f"esc_{NOWHERE}")]
        assert answers[0].content == answers[1].content
        assert answers[0].json()["data"] == {"node": None}


async def test_who_escalated_by_a_rule_is_said_to_staff_as_long_as_it_is_there(
    api, escalate, database, desk, people, ticket
):
    made = await escalate()
    async with desk.writes.begin() as unit:
        rule = unit.insert(
            models.EscalationRule,
            name="Too long",
            active=True,
            trigger=models.EscalationTrigger.UNASSIGNED,
            after_seconds=1,
            level=models.EscalationLevel.TEAM_LEAD,
            priorities=[],
            department_ids=[],
            changed_at=unit.now,
        )
    await database.rows("UPDATE escalations SET rule_id = :id, escalated_by_id = NULL", id=rule.id)
    for viewer, expected in ((people.agent, {"name": "Too long"}), (people.customer, None)):
        found = (await api(viewer, BY_ID, id=made["id"]))["node"]
        assert (found["rule"], found["escalatedBy"]) == (expected, None)
    await database.rows("DELETE FROM escalation_rules")
    assert (await api(people.agent, BY_ID, id=made["id"]))["node"]["rule"] is None


# --- Tickets by level -------------------------------------------------------------------------------------------------

LIST = """query ($levels: [EscalationLevel!], $more: String) {
  tickets(filter: {escalationLevels: $levels, text: $more}) { totalCount nodes { number } } }"""


async def test_tickets_are_listed_by_level(api, escalate, submit, people, customer, problem, invoices, ticket, agent):
    second = await submit(customer, problem, subject="Second")
    elsewhere = await submit(customer, invoices, subject="Elsewhere")
    await submit(customer, problem, subject="Calm")
    await escalate()
    await escalate(ticketId=second["id"], level="MANAGER")
    await escalate(people.director, ticketId=elsewhere["id"], level="MANAGER")
    one, two, three = ticket.number, second["number"], elsewhere["number"]

    for viewer, levels, expected in (
        (agent, ["TEAM_LEAD"], {one}),
        (agent, ["MANAGER"], {two}),
        (agent, ["TEAM_LEAD", "MANAGER"], {one, two}),
        (people.director, ["MANAGER"], {two, three}),
        (people.director, ["DIRECTOR"], set()),
        (people.director, [], set()),
        (people.customer, ["TEAM_LEAD", "MANAGER"], {one, two, three}),
        (people.stranger, ["TEAM_LEAD", "MANAGER"], set()),
        (people.watching_manager, ["TEAM_LEAD", "MANAGER"], {one, three}),
    ):
        found = (await api(viewer, LIST, levels=levels))["tickets"]
        assert {node["number"] for node in found["nodes"]} == expected, (viewer.name, levels)
        assert found["totalCount"] == len(expected)
    found = (await api(people.director, LIST, levels=["MANAGER"], more="elsewhere"))["tickets"]
    assert found == {"totalCount": 1, "nodes": [{"number": three}]}


# --- Who is not there any more ----------------------------------------------------------------------------------------

UPDATE_PERSON = "mutation ($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"


@pytest.fixture
def levels(api, people, ticket):
    """What the ticket was escalated to until now, the newest first."""

    async def found():
        seen = (await api(people.director, TICKET, id=ticket.gid))["ticket"]
        return [(each["level"], named(each["escalatedTo"])) for each in seen["escalations"]["nodes"]]

    return found


@pytest.fixture
def change_person(api, people, work):
    async def changed(person, **given):
        answer = await api(people.admin, UPDATE_PERSON, input={"personId": person.gid} | given)
        assert answer["updatePerson"]["__typename"] == "UpdatePersonSuccess"
        await work.run()

    return changed


@pytest.mark.parametrize("how", ["is shut out", "is a customer", "works elsewhere"])
async def test_it_goes_up_when_the_last_whom_it_was_escalated_to_is_there_no_more(
    api, escalate, levels, change_person, submit, work, mailbox, database, people, billing, problem, ticket, how
):
    other = await submit(people.customer, problem)
    sql = "UPDATE tickets SET department_id = :there WHERE number = :number"
    await database.rows(sql, there=billing.id, number=other["number"])
    given = {
        "is shut out": {"active": False},
        "is a customer": {"role": "CUSTOMER", "departmentIds": []},
        "works elsewhere": {"departmentIds": [billing.gid]},
    }[how]
    await escalate()
    await change_person(people.second_lead, **given)
    assert await levels() == [("TEAM_LEAD", ["Leo Lead", "Lia Lead"])]  # one of them is there
    mailbox.letters.clear()
    await database.rows("DELETE FROM notifications")

    await change_person(people.lead, **given)

    gone = ["Leo Lead", "Lia Lead"]
    assert await levels() == [("MANAGER", ["Mia Manager"]), ("TEAM_LEAD", gone)]
    seen = (await api(people.director, TICKET, id=ticket.gid))["ticket"]["escalation"]
    assert (seen["reason"], seen["escalatedBy"]) == ("They threaten to leave.", None)
    (letter,) = mailbox.to(people.manager.email)
    assert "Deskwire has escalated it to the manager." in letter.get_body(("plain",)).get_content()
    told = await database.rows("SELECT kind FROM notifications WHERE person_id = :id", id=people.manager.id)
    assert [row["kind"] for row in told] == ["TICKET_ESCALATED"]


async def test_it_goes_to_who_is_of_its_level_by_then(escalate, levels, change_person, house, support, people):
    await escalate()
    await house.person("Lou Late", Role.TEAM_LEAD, support)

    await change_person(people.second_lead, active=False)
    await change_person(people.lead, active=False)

    assert await levels() == [("TEAM_LEAD", ["Lou Late"]), ("TEAM_LEAD", ["Leo Lead", "Lia Lead"])]


async def test_what_was_acknowledged_stays_with_whoever_goes(escalate, acknowledge, levels, change_person, people):
    made = await escalate()
    await acknowledge(people.lead, made["id"])

    await change_person(people.second_lead, active=False)
    await change_person(people.lead, active=False)

    assert await levels() == [("TEAM_LEAD", ["Leo Lead", "Lia Lead"])]


async def test_where_no_director_is_left_the_admins_hear_of_it_whoever_shut_them_out(
    escalate, change_person, work, mailbox, database, people
):
    await escalate(level="DIRECTOR")
    await work.run()
    mailbox.letters.clear()

    await change_person(people.director, active=False)

    (escalation,) = await database.rows("SELECT level, escalated_to_ids FROM escalations WHERE ended_at IS NULL")
    assert (escalation["level"], escalation["escalated_to_ids"]) == ("DIRECTOR", [people.admin.id])
    (letter,) = mailbox.to(people.admin.email)
    assert "They threaten to leave." in letter.get_body(("plain",)).get_content()


async def test_many_are_raised_in_batches_each_once(
    api, escalate, change_person, database, monkeypatch, people, submit, problem
):
    monkeypatch.setattr(deserted, "BATCH", 2)
    for _ in range(5):
        await escalate(ticketId=(await submit(people.customer, problem))["id"])
    await change_person(people.second_lead, active=False)

    await change_person(people.lead, active=False)

    counted = await database.rows("SELECT level, count(*) FROM escalations WHERE ended_at IS NULL GROUP BY 1")
    assert [(row["level"], row["count"]) for row in counted] == [("MANAGER", 5)]


async def test_what_was_on_its_way_to_somebody_who_goes_is_raised_as_well(
    escalate, change_person, levels, work, halted, database, people
):
    """Whoever escalates it has looked who is there before they went."""
    await change_person(people.second_lead, active=False)
    raised = await halted(escalate(), "people.role IN ('DIRECTOR', 'ADMIN')")
    await change_person(people.lead, active=False)
    await raised()
    assert await levels() == [("TEAM_LEAD", ["Leo Lead"])]

    await database.rows("UPDATE jobs SET due_at = now() WHERE kind = 'RaiseDeserted'")
    await work.run()

    assert await levels() == [("MANAGER", ["Mia Manager"]), ("TEAM_LEAD", ["Leo Lead"])]
