"""What a ticket says that its viewer can do is what they can do: each action, in each state, by each who may ask."""

import itertools
from types import SimpleNamespace
from uuid import UUID

import pytest

from domain import sessions
from models import Role

STATES = {
    "open": [],
    "pending": [("agent", "changeTicketStatus", {"status": "PENDING"})],
    "escalated": [("agent", "escalateTicket", {"reason": "It burns."})],
    "resolved": [("agent", "resolveTicket", {"summary": "New paper."})],
    "confirmed": [("agent", "resolveTicket", {}), ("customer", "confirmResolution", {"rating": 4})],
    "withdrawn": [("customer", "closeTicket", {})],
    "closed by the desk": [("agent", "closeTicket", {"reason": "Twice."})],
}
ACTIONS = {
    "RESOLVE": ("resolveTicket", {"summary": "Done."}),
    "CONFIRM": ("confirmResolution", {"rating": 5}),
    "REOPEN": ("reopenTicket", {"reason": "It still burns."}),
    "CLOSE": ("closeTicket", {}),
    "ESCALATE": ("escalateTicket", {"reason": "Hurry."}),
    "SETTLE_ESCALATION": ("endEscalation", {"reason": "It is calm."}),
    "COMMENT": ("addComment", {"body": "Hm."}),
    "COMMENT_INTERNALLY": ("addInternalComment", {"body": "Hm."}),
    "UPDATE": ("updateTicket", {"subject": "Another"}),
    "ASSIGN": ("assignTicket", {}),
    "CHANGE_STATUS": ("changeTicketStatus", {"status": "ON_HOLD"}),
}
CAN = "query ($id: ID!) { ticket(id: $id) { viewerCan escalation { id } } }"


@pytest.fixture
async def people(house, customer, agent, support, director):
    watcher = await house.person("Willa Watcher")
    lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    return {"customer": customer, "watcher": watcher, "agent": agent, "lead": lead, "director": director}


@pytest.fixture
def do(api, people):
    """Calls a mutation; the type of its answer."""

    async def done(who, mutation, **given):
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        text = f"mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{ __typename }} }}"
        return (await api(people[who], text, input=given))[mutation]["__typename"]

    return done


@pytest.mark.parametrize("state", STATES)
async def test_what_can_be_done_can_be_done(state, api, desk, database, do, people, submit, customer, problem):
    wrong, able = [], set()
    for (action, (mutation, given)), who in itertools.product(ACTIONS.items(), [*people, "by a link"]):
        ticket = (await submit(customer, problem))["id"]
        async with desk.writes.begin() as unit:
            opened = await sessions.open_for(desk, unit, customer.id, ticket_id=UUID(ticket.removeprefix("tkt_")))
        people["by a link"] = SimpleNamespace(token=opened.access_token)
        await database.rows("DELETE FROM attempts")
        await do("agent", "watchTicket", ticketId=ticket, personId=people["watcher"].gid)
        for actor, before, values in STATES[state]:
            assert (await do(actor, before, ticketId=ticket, **values)).endswith("Success"), (actor, before)
        found = (await api(people[who], CAN, id=ticket))["ticket"]
        said = action in found["viewerCan"]
        named = {"ticketId": ticket}
        if mutation == "endEscalation":
            if found["escalation"] is None:
                assert not said
                continue
            named = {"escalationId": found["escalation"]["id"]}
        done = await do(who, mutation, **named, **given)
        able |= {(action, who)} if said else set()
        if said != done.endswith("Success"):
            wrong.append((who, action, said, done))
    assert wrong == []
    assert able


FOR_STAFF = "Only staff may do this."
FOR_WORKERS = "Only those who work on this ticket may do this."
FOR_ALL_CONCERNED = "Only whoever asked for this ticket, and those who work on it, may do this."
FOR_WHOM = {
    ("watcher", "RESOLVE"): FOR_WORKERS,
    ("customer", "RESOLVE"): FOR_WORKERS,
    ("watcher", "UPDATE"): FOR_ALL_CONCERNED,
    ("watcher", "CLOSE"): FOR_ALL_CONCERNED,
    ("watcher", "REOPEN"): FOR_ALL_CONCERNED,
    ("agent", "CONFIRM"): "Only whoever asked for this ticket may do this.",
    ("customer", "ESCALATE"): FOR_STAFF,
    ("customer", "COMMENT_INTERNALLY"): FOR_STAFF,
    ("outsider", "COMMENT_INTERNALLY"): FOR_WORKERS,
    ("outsider", "ESCALATE"): FOR_WORKERS,
}


async def test_who_may_not_do_something_is_told_who_may(api, people, billing_agent, ticket):
    viewers = people | {"outsider": billing_agent}
    watch = "mutation ($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
    for who in ("watcher", "outsider"):
        await api(people["agent"], watch, input={"ticketId": ticket.gid, "personId": viewers[who].gid})
    told = {}
    for who, action in FOR_WHOM:
        mutation, given = ACTIONS[action]
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        text = f"""mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{
          ... on NotAllowed {{ message }} }} }}"""
        told[who, action] = (await api(viewers[who], text, input={"ticketId": ticket.gid} | given))[mutation]["message"]
    assert told == FOR_WHOM
