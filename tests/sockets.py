"""A real server on a real port, and clients that speak graphql-transport-ws."""

import asyncio
import contextlib
import itertools
import json
from types import SimpleNamespace

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from infra import embedded
from web import serving

PATIENCE_SECONDS = 8
QUIET_SECONDS = 0.4  # long enough for a message to come that must not


@contextlib.asynccontextmanager
async def served(application):
    """The application on a port of its own, as `desk serve` serves it: where, the server, and what it runs in."""
    port = embedded.free_port()
    config = uvicorn.Config(application, **serving.OPTIONS, port=port, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())  # serve() would take the signals, which are pytest's
    while not server.started:  # noqa: ASYNC110 # uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield SimpleNamespace(at=f"127.0.0.1:{port}", server=server, task=task)
    finally:
        server.should_exit = True
        await task


@pytest.fixture(scope="session")
async def address(application):
    """Where the application is served."""
    async with served(application) as found:
        yield found.at


@pytest.fixture
async def connection(address):
    """A connection to where it is served: to read from, and to write to."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()


class Client:
    """One socket."""

    def __init__(self, socket):
        self.socket, self.ids = socket, itertools.count(1)

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def receive(self):
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return json.loads(await self.socket.recv())

    async def receive_or_code(self):
        """The next message and None; or None and the code with which the server closes."""
        try:
            return await self.receive(), None
        except ConnectionClosed as error:
            return None, error.rcvd.code

    async def closed(self):
        """The code with which the server closes, whatever it says before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed as error:
                return error.rcvd.code

    async def quiet(self):
        """Nothing comes for a while."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                raise AssertionError(await self.socket.recv())

    async def subscribe(self, query, **variables):
        """Begin an operation; gives its id."""
        name = str(next(self.ids))
        await self.send(id=name, type="subscribe", payload={"query": query, "variables": variables})
        return name

    async def item(self):
        """The data of the next item."""
        message = await self.receive()
        assert message["type"] == "next", message
        return message["payload"]["data"]


@pytest.fixture
async def socket(address):
    """Opens sockets that the test needs, and closes them."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(*, protocols=("graphql-transport-ws",), **headers):
            made = connect(f"ws://{address}/graphql", subprotocols=protocols, additional_headers=headers)
            return Client(await stack.enter_async_context(made))

        yield opened


@pytest.fixture
def signed_in(socket):
    """Opens a socket as somebody, up to the acknowledgement."""

    async def opened(viewer):
        client = await socket()
        payload = {"authorization": f"Bearer {viewer.token}"} if viewer else {}
        await client.send(type="connection_init", payload=payload)
        assert (await client.receive())["type"] == "connection_ack"
        return client

    return opened
