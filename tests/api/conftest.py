"""What tests of the API share."""

import pytest


@pytest.fixture
def copies(database):
    """Makes so many copies of a ticket, each with its submission in its history."""

    async def made(ticket, count):
        columns = await database.rows(
            "SELECT string_agg(column_name, ', ') AS names FROM information_schema.columns "
            "WHERE table_name = 'tickets' AND column_name NOT IN ('id', 'number')"
        )
        names = columns[0]["names"]
        await database.rows(
            f"INSERT INTO tickets (id, {names}) SELECT gen_random_uuid(), {names} FROM tickets, "
            "generate_series(1, CAST(:count AS integer)) WHERE id = :id",
            id=ticket.uuid,
            count=count,
        )
        await database.rows(
            "INSERT INTO events (id, ticket_id, seq, public_seq, kind, at, data) "
            "SELECT gen_random_uuid(), t.id, e.seq, e.public_seq, e.kind, e.at, e.data FROM tickets AS t, events AS e "
            "WHERE e.ticket_id = :id AND NOT EXISTS (SELECT FROM events WHERE ticket_id = t.id)",
            id=ticket.uuid,
        )

    return made
