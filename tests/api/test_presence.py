"""Who is on a ticket's page."""

import pytest

from domain import presence

SET = """mutation P($input: SetTicketPresenceInput!) { setTicketPresence(input: $input) { __typename
  ... on SetTicketPresenceSuccess { presence { ticketId people { activity since person { name } } } }
  ... on NotFound { field } } }"""
READ = "query R($id: ID!) { ticket(id: $id) { presence { people { activity person { name } } } } }"


@pytest.fixture
def say(api, ticket):
    async def said(viewer, activity=None, gid=None):
        given = {"ticketId": gid or ticket.gid} | ({"activity": activity} if activity else {})
        return (await api(viewer, SET, input=given))["setTicketPresence"]

    return said


async def test_staff_see_who_is_there_in_order_of_arrival(api, say, desk, database, ticket, agent, director, customer):
    await say(agent, "VIEWING")
    first = (await say(director, "TYPING"))["presence"]
    assert first["ticketId"] == ticket.gid
    assert [(each["person"]["name"], each["activity"]) for each in first["people"]] == [
        (agent.name, "VIEWING"),
        (director.name, "TYPING"),
    ]
    again = (await say(director, "TYPING"))["presence"]
    assert again == first
    changed = (await say(agent, "TYPING_INTERNALLY"))["presence"]["people"][0]
    assert (changed["activity"], changed["since"] >= first["people"][0]["since"]) == ("TYPING_INTERNALLY", True)
    assert (await api(customer, READ, id=ticket.gid))["ticket"]["presence"] is None
    left = (await say(agent))["presence"]["people"]
    assert [each["person"]["name"] for each in left] == [director.name]
    assert await say(agent)
    await database.rows("UPDATE presences SET expires_at = now() - interval '1 second'")
    assert (await api(agent, READ, id=ticket.gid))["ticket"]["presence"] == {"people": []}
    await presence.sweep(desk)
    assert (await database.counts())["presences"] == 0


async def test_on_each_ticket_somebody_is_by_themselves(api, say, submit, ticket, customer, agent, director, problem):
    other = (await submit(customer, problem))["id"]
    await say(agent, "VIEWING")
    await say(agent, "TYPING", gid=other)
    await say(director, "VIEWING", gid=other)

    await say(agent)

    assert (await api(agent, READ, id=ticket.gid))["ticket"]["presence"] == {"people": []}
    there = (await api(agent, READ, id=other))["ticket"]["presence"]["people"]
    assert [each["person"]["name"] for each in there] == [agent.name, director.name]


async def test_who_may_not_say_so(say, api, database, ticket, customer, billing_agent, stranger):
    before = await database.counts()
    assert (await say(customer, "VIEWING"))["__typename"] == "NotAllowed"
    answer = await say(billing_agent, "VIEWING")
    assert answer == await say(billing_agent, "VIEWING", gid="tkt_0193a000-0000-7000-8000-000000000000")
    assert answer["__typename"] == "NotFound"
    assert await api.refused(None, SET, input={"ticketId": ticket.gid}) == "UNAUTHENTICATED"
    assert await database.counts() == before
