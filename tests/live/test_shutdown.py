"""A server that is told to stop: its sockets hear that it starts again, and it does not wait for them."""

import asyncio
import json

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from infra import embedded
from web import serving

PATIENCE_SECONDS = 5
WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { number } }"


@pytest.fixture
async def server(application):
    """A server of the test's own, which the test may stop."""
    port = embedded.free_port()
    config = uvicorn.Config(application, **serving.OPTIONS, port=port, lifespan="off", log_level="error")
    made = uvicorn.Server(config)
    made.address = f"127.0.0.1:{port}"
    made.task = asyncio.create_task(made._serve())  # serve() would take the signals, which are pytest's
    while not made.started:  # noqa: ASYNC110 # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield made
    made.should_exit = True
    await made.task


async def test_sockets_are_closed_with_a_code_that_says_to_come_again(server, customer, ticket):
    loop = asyncio.get_running_loop()
    async with connect(f"ws://{server.address}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send(
            json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {customer.token}"}})
        )
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        subscribe = {"type": "subscribe", "id": "1", "payload": {"query": WATCH, "variables": {"id": ticket.gid}}}
        await socket.send(json.dumps(subscribe))
        assert json.loads(await socket.recv())["type"] == "next"

        began = loop.time()
        server.should_exit = True
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await socket.recv()

        assert closed.value.rcvd.code == 1012
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.task
        assert loop.time() - began < 3


async def test_a_socket_that_was_never_initialised_does_not_hold_up_the_end(server):
    async with connect(f"ws://{server.address}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        server.should_exit = True
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await socket.recv()
        assert closed.value.rcvd.code == 1012
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.task
