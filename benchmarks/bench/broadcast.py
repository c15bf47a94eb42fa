"""The floor of a broadcast: a bare ASGI application that sends the same text to every socket that it has."""

from typing import Any

SOCKETS: list[Any] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Keeps each socket, and answers a POST with a broadcast of its body."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        SOCKETS.append(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        SOCKETS.remove(send)
        return
    text = (await receive())["body"].decode()
    for tell in SOCKETS:
        await tell({"type": "websocket.send", "text": text})
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
