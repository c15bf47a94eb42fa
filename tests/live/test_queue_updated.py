"""Watching a queue, and who is on a ticket's page."""

from domain.tickets import timers

QUEUE = "subscription ($id: ID) { queueUpdated(departmentId: $id) { openCount availableAgentCount } }"
PRESENCE = "subscription ($id: ID!) { ticketPresenceUpdated(ticketId: $id) { people { activity person { name } } } }"
SET_AVAILABILITY = "mutation S($input: SetAvailabilityInput!) { setAvailability(input: $input) { __typename } }"
SET_PRESENCE = "mutation S($input: SetTicketPresenceInput!) { setTicketPresence(input: $input) { __typename } }"


async def test_a_queue_now_and_after_every_change(api, signed_in, submit, agent, customer, problem, support):
    one, all_ = await signed_in(agent), await signed_in(agent)
    await one.subscribe(QUEUE, id=support.gid)
    await all_.subscribe(QUEUE)
    for client in (one, all_):
        assert (await client.item())["queueUpdated"] == {"openCount": 0, "availableAgentCount": 1}

    await submit(customer, problem)
    for client in (one, all_):
        assert (await client.item())["queueUpdated"]["openCount"] == 1

    await api(agent, SET_AVAILABILITY, input={"status": "AWAY"})
    assert (await one.item())["queueUpdated"] == {"openCount": 1, "availableAgentCount": 0}


AT_RISK = "subscription ($id: ID) { queueUpdated(departmentId: $id) { atRiskCount } }"
SAVE = "mutation S($input: SaveSlaPolicyInput!) { saveSlaPolicy(input: $input) { __typename } }"


async def test_what_is_soon_due_is_counted_once_it_is(
    api, signed_in, submit, agent, admin, customer, problem, support, database, desk
):
    target = {"priority": "NORMAL", "firstResponseSeconds": 7_200}
    saved = await api(admin, SAVE, input={"name": "Usual", "targets": [target]})
    assert saved["saveSlaPolicy"]["__typename"] == "SaveSlaPolicySuccess"
    await submit(customer, problem)
    await timers.sweep(desk)
    client = await signed_in(agent)
    await client.subscribe(AT_RISK, id=support.gid)
    assert (await client.item())["queueUpdated"] == {"atRiskCount": 0}

    for table in ("sla_clocks", "tickets"):  # an hour and a quarter goes by
        await database.rows(f"UPDATE {table} SET due_at = due_at - interval '75 minutes'")
    await database.rows("UPDATE tickets SET timer_at = now() - interval '1 second'")
    await timers.sweep(desk)

    assert (await client.item())["queueUpdated"] == {"atRiskCount": 1}


async def test_who_comes_and_goes(api, signed_in, agent, director, ticket):
    client = await signed_in(agent)
    await client.subscribe(PRESENCE, id=ticket.gid)
    assert (await client.item())["ticketPresenceUpdated"] == {"people": []}

    await api(director, SET_PRESENCE, input={"ticketId": ticket.gid, "activity": "TYPING"})
    (there,) = (await client.item())["ticketPresenceUpdated"]["people"]
    assert there == {"activity": "TYPING", "person": {"name": director.name}}

    await api(director, SET_PRESENCE, input={"ticketId": ticket.gid})
    assert (await client.item())["ticketPresenceUpdated"] == {"people": []}
