"""Watching who is on a ticket's page: now, and after every change, while the viewer works on the ticket."""

import asyncio

WATCH = """subscription ($id: ID!) { ticketPresenceUpdated(ticketId: $id) {
  people { activity person { name } } } }"""
SET = "mutation ($input: SetTicketPresenceInput!) { setTicketPresence(input: $input) { __typename } }"
UPDATE = "mutation ($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename } }"
SECONDS = 3  # the sweep that would find it without having been told comes every 10


async def people(client):
    found = (await client.item())["ticketPresenceUpdated"]["people"]
    return [(each["person"]["name"], each["activity"]) for each in found]


async def test_who_is_there_now_and_after_every_change(api, signed_in, agent, director, ticket):
    client = await signed_in(agent)
    await client.subscribe(WATCH, id=ticket.gid)
    assert await people(client) == []

    await api(director, SET, input={"ticketId": ticket.gid, "activity": "TYPING"})
    assert await people(client) == [(director.name, "TYPING")]
    await api(director, SET, input={"ticketId": ticket.gid})
    assert await people(client) == []

    await api(director, UPDATE, input={"ticketId": ticket.gid, "subject": "Another"})
    await client.quiet()  # that is nothing about its page


async def test_it_ends_as_soon_as_the_ticket_is_somebody_elses(api, signed_in, agent, director, ticket, billing):
    client = await signed_in(agent)
    name = await client.subscribe(WATCH, id=ticket.gid)
    assert await people(client) == []

    await api(director, UPDATE, input={"ticketId": ticket.gid, "departmentId": billing.gid})

    async with asyncio.timeout(SECONDS):
        assert await client.receive() == {"type": "complete", "id": name}


async def test_customers_are_told_that_it_is_not_for_them(signed_in, customer, ticket):
    client = await signed_in(customer)
    await client.subscribe(WATCH, id=ticket.gid)

    message = await client.receive()
    assert [each["extensions"]["code"] for each in message["payload"]] == ["NOT_ALLOWED"]
