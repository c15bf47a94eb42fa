"""The load: a process of its own that sends requests over kept connections and says how long each took.

It reads one line of JSON for each round: port, at_once, keep (whether to give the answers back), and requests, each a
token and a body. It answers with a line: seconds of each request, or the answers.
"""

import asyncio
import itertools
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from typing import Any

import orjson
import uvloop


async def sent(reader: StreamReader, writer: StreamWriter, port: int, token: str, body: bytes) -> bytes:
    """The answer to one request. Raises AssertionError for another status than 200."""
    head = f"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    found = await reader.readexactly(length)
    assert answer.startswith(b"http/1.1 200"), (answer, found)
    return found


async def client(asked: dict[str, Any], requests: Iterator[tuple[str, bytes]], results: list[Any]) -> None:
    """Send requests one after the other until none is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"])
    for token, body in requests:
        started = time.perf_counter()
        answer = await sent(reader, writer, asked["port"], token, body)
        results.append(answer.decode() if asked["keep"] else time.perf_counter() - started)
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    """A round for each line. Nothing else runs while it waits for the next."""
    while line := sys.stdin.buffer.readline():  # as said
        asked = orjson.loads(line)
        requests = iter([(token, body.encode()) for token, body in asked["requests"]])
        results: list[Any] = []
        clients = itertools.repeat(requests, asked["at_once"])
        await asyncio.gather(*(client(asked, shared, results) for shared in clients))
        sys.stdout.buffer.write(orjson.dumps(results) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(main())
