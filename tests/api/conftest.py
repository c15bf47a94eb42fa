"""What tests of the API share: files on their way."""

import pytest
from uploads import CREATE, PNG


@pytest.fixture
def create(api):
    """Asks for a place for a file, and gives it or the refusal."""

    async def created(viewer, **given):
        given = {"filename": "cat.png", "contentType": "image/png", "sizeBytes": len(PNG)} | given
        answer = (await api(viewer, CREATE, input=given))["createUpload"]
        return answer.get("upload") or answer

    return created


@pytest.fixture
def send(http):
    """Sends bytes to an upload's place as it says, and gives the response."""

    async def sent(upload, body=PNG):
        path = upload["url"].removeprefix("http://desk.test")
        headers = {header["name"]: header["value"] for header in upload["headers"]}
        return await http.request(upload["method"], path, content=body, headers=headers)

    return sent


@pytest.fixture
def uploaded(create, send):
    """Announces and sends a file, and gives its upload's id."""

    async def done(viewer, body=PNG, **given):
        upload = await create(viewer, sizeBytes=len(body), **given)
        assert (await send(upload, body)).status_code == 204
        return upload["id"]

    return done


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
