"""What a notification says in short: what happened, and nothing that its reader may not know."""

import pytest

from models import Role

TOLD = "{ viewer { notifications(first: 5) { nodes { kind title body } } } }"
CLOSE = "mutation ($input: CloseTicketInput!) { closeTicket(input: $input) { __typename } }"
CONFIRMED = "RESOLUTION_CONFIRMED"


@pytest.fixture
def do(api, work, mailbox):
    """Calls a mutation by its name, which succeeds, and has it told."""

    async def done(viewer, name, **given):
        kind = name[0].upper() + name[1:]
        text = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename }} }}"
        assert (await api(viewer, text, input=given))[name]["__typename"] == f"{kind}Success"
        await work.run()

    return done


@pytest.fixture
def newest(api):
    """The kind and the words of somebody's newest notification, or of the newest of a kind."""

    async def found(viewer, kind=None):
        news = (await api(viewer, TOLD))["viewer"]["notifications"]["nodes"]
        return next((each["kind"], each["body"]) for each in news if kind in (None, each["kind"]))

    return found


@pytest.fixture
async def lead(house, support):
    return await house.person("Leo Lead", Role.TEAM_LEAD, support)


async def test_of_a_comment_who_wrote_and_what(do, newest, customer, agent, ticket):
    written = "The **paper** [jams](https://example.com) &\n\n- again\n- and `again`"
    await do(agent, "addComment", ticketId=ticket.gid, body=written)

    said = "Printer on fire · Ada Agent: The paper jams & again and again"
    assert await newest(customer) == ("COMMENT_ADDED", said)


async def test_of_a_comment_without_words_its_files(do, newest, uploaded, database, customer, agent, ticket):
    files = [await uploaded(agent, filename=name) for name in ("plan.txt", "map.txt")]
    await do(agent, "addComment", ticketId=ticket.gid, body="", uploadIds=files)

    assert await newest(customer) == ("COMMENT_ADDED", "Printer on fire · Ada Agent: plan.txt, map.txt")

    await database.rows("UPDATE attachments SET internal = true")
    assert (await newest(customer))[1] == "Printer on fire"


@pytest.mark.parametrize(
    "written", ["word " * 500, "& " * 900, "**b** " * 900, "[link](https://example.com/long/address) " * 90]
)
async def test_of_a_long_comment_its_beginning_whole_signs_alone(do, newest, customer, agent, ticket, written):
    await do(agent, "addComment", ticketId=ticket.gid, body=written)

    _, body = await newest(customer)
    said = body.removeprefix("Printer on fire · Ada Agent: ")
    shown = {"w": "word ", "&": "& ", "*": "b ", "[": "link "}[written[0]] * 200
    assert 5 < len(said) <= 200
    assert shown.startswith(said.rstrip("…"))
    assert said.endswith("…")


async def test_a_mention_quotes_what_was_noted(do, newest, agent, lead, ticket):
    await do(lead, "addInternalComment", ticketId=ticket.gid, body="@Ada Agent, *please* look.")

    assert await newest(agent) == ("MENTIONED", "Printer on fire · Leo Lead: @Ada Agent, please look.")


async def test_what_was_deleted_or_is_for_the_desk_alone_is_not_told(do, newest, database, customer, agent, ticket):
    await do(agent, "addComment", ticketId=ticket.gid, body="A secret.")
    await database.rows("UPDATE comments SET internal = true")
    assert await newest(customer) == ("COMMENT_ADDED", "Printer on fire")

    await database.rows("UPDATE comments SET internal = false")
    assert (await newest(customer))[1] == "Printer on fire · Ada Agent: A secret."
    await database.rows("UPDATE events SET public_seq = NULL WHERE kind = 'CommentAdded'")
    assert (await newest(customer))[1] == "Printer on fire"

    await database.rows("UPDATE events SET public_seq = seq WHERE kind = 'CommentAdded'")
    await database.rows("UPDATE comments SET body = NULL, body_html = NULL, deleted_at = now()")
    assert (await newest(customer))[1] == "Printer on fire"


async def test_of_a_status_from_which_to_which(do, newest, database, customer, agent, ticket):
    await do(agent, "changeTicketStatus", ticketId=ticket.gid, status="ON_HOLD", reason="Never told to customers.")
    assert await newest(customer) == ("STATUS_CHANGED", "Printer on fire · Open → On hold")

    await database.rows("UPDATE people SET locale = 'de' WHERE id = :id", id=customer.id)
    assert (await newest(customer))[1] == "Printer on fire · Offen → Ruht"


async def test_of_a_status_that_stays_until_when(do, newest, customer, agent, ticket):
    for day in (1, 2):
        moment = f"2027-03-0{day}T22:30:00Z"
        await do(agent, "changeTicketStatus", ticketId=ticket.gid, status="ON_HOLD", resumesAt=moment)
    said = (await newest(customer))[1].replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert said == "Printer on fire · On hold. It continues on March 2, 2027, 10:30 PM UTC."

    await do(agent, "changeTicketStatus", ticketId=ticket.gid, status="ON_HOLD")
    assert (await newest(customer))[1] == "Printer on fire · On hold"


async def test_of_a_merge_that_it_goes_on(api, do, newest, submit, customer, stranger, agent, problem, ticket):
    source = await submit(customer, problem, subject="Same fire")
    await do(agent, "watchTicket", ticketId=source["id"], personId=stranger.gid)
    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])

    moved = f"Same fire · It was merged with #{ticket.number}, where it goes on."
    assert await newest(customer) == ("STATUS_CHANGED", moved)
    told = "Printer on fire · A ticket that you follow was merged with this one, where it goes on."
    assert await newest(stranger) == ("STATUS_CHANGED", told)


async def test_of_a_merge_no_number_of_what_its_reader_does_not_see(
    do, newest, database, submit, customer, agent, house, billing, problem, ticket
):
    source = await submit(customer, problem, subject="Same fire")
    there = await house.person("Bill Billing", Role.AGENT, billing)
    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])
    told = "UPDATE notifications SET person_id = :id, seq = 1 WHERE kind = 'STATUS_CHANGED' AND person_id = :was"
    await database.rows(told, id=there.id, was=customer.id)
    moved = "UPDATE tickets SET department_id = :there WHERE number = :number"
    await database.rows(moved, there=billing.id, number=source["number"])

    assert (await newest(there))[1] == "Same fire · It was merged with another one, where it goes on."


async def test_of_an_escalation_the_level_and_for_staff_the_reason(do, newest, customer, agent, lead, ticket):
    await do(agent, "escalateTicket", ticketId=ticket.gid, level="TEAM_LEAD", reason="It burns\nstill.")

    said = "Printer on fire · Ada Agent has escalated it to the team lead."
    assert await newest(lead) == ("TICKET_ESCALATED", f"{said} It burns still.")
    assert await newest(customer) == ("TICKET_ESCALATED", said)


async def test_of_an_ending_what_solved_it_and_how_it_was_rated(do, newest, database, customer, agent, lead, ticket):
    await do(agent, "resolveTicket", ticketId=ticket.gid, summary="Turned it *off*.")
    assert await newest(customer) == ("TICKET_RESOLVED", "Printer on fire · Ada Agent has solved it. Turned it off.")

    await do(lead, "assignTicket", ticketId=ticket.gid, assigneeId=agent.gid)
    assert await newest(agent) == ("TICKET_ASSIGNED", "Printer on fire")

    await do(customer, "confirmResolution", ticketId=ticket.gid, rating=2, feedback="<b>Slow</b>\nservice.")
    rated = "Printer on fire · Carla Customer rates the help with 2 of 5. <b>Slow</b> service."
    assert (await newest(agent, CONFIRMED))[1] == (await newest(lead, CONFIRMED))[1] == rated

    # Of a rating its assignee knows, not any more whoever was that.
    await database.rows("UPDATE tickets SET assignee_id = NULL")
    assert (await newest(agent, CONFIRMED))[1] == "Printer on fire · Carla Customer has confirmed that it is solved."
    assert (await newest(lead, CONFIRMED))[1] == rated

    await do(agent, "reopenTicket", ticketId=ticket.gid, reason="It burns anew.")
    assert await newest(customer) == (
        "TICKET_REOPENED",
        "Printer on fire · Ada Agent has opened it again. It burns anew.",
    )


async def test_of_closing_that_it_is_closed(do, newest, customer, agent, ticket):
    await do(agent, "closeTicket", ticketId=ticket.gid, reason="Never told to customers.")

    assert await newest(customer) == ("STATUS_CHANGED", "Printer on fire · Ada Agent has closed it.")


async def test_what_is_told_at_once_is_told_in_its_order(api, work, desk, newest, customer, agent, ticket, monkeypatch):
    closed = await api(agent, CLOSE, input={"ticketId": ticket.gid})
    assert closed["closeTicket"]["__typename"] == "CloseTicketSuccess"
    claim = desk.writes.alone

    async def as_it_may_come(*asked):
        return (await claim(*asked))[::-1]

    monkeypatch.setattr(desk.writes, "alone", as_it_may_come)
    await work.run()

    assert await newest(customer) == ("STATUS_CHANGED", "Printer on fire · Ada Agent has closed it.")


async def test_nothing_of_it_is_told_without_sight_of_the_ticket(do, newest, database, customer, agent, lead, ticket):
    await do(lead, "addInternalComment", ticketId=ticket.gid, body="@Ada Agent, look.")
    await database.rows("DELETE FROM memberships WHERE person_id = :id", id=agent.id)

    assert await newest(agent) == ("MENTIONED", None)


async def test_what_is_not_asked_for_is_not_read(api, do, statements, customer, agent, ticket):
    await do(agent, "addComment", ticketId=ticket.gid, body="Look.")
    statements.clear()
    await api(customer, "{ viewer { notifications { nodes { title } } } }")
    assert "body_html" not in " ".join(map(str, statements))

    statements.clear()
    await api(customer, "{ viewer { notifications { nodes { body } } } }")
    assert sum("body_html" in str(each) for each in statements) == 1
