"""Attachments over HTTP: a signed link is the right to send one file, or to fetch one."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from typing import Any, Final, Protocol
from urllib.parse import quote
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from infra.faults import told
from infra.files import DOWNLOAD_SECONDS, MOST_HELD_BYTES, Expected, Files, Received, WrongSize, WrongType
from infra.media_types import ACTIVE, PICTURES, UNKNOWN
from infra.networks import network
from infra.postgres import Unavailable
from infra.room import Room
from infra.settings import Settings
from infra.signing import BadToken, ExpiredToken, Signer
from web.requests import address
from web.shares import AtOnce, Shares, TooMany

SILENCE_SECONDS: Final = 30  # after which a sender that sends nothing is given up
LEAST_SPEED: Final = 16 * 1024  # bytes a second, below which a sender is given up, as what has come takes memory
ROOM_SECONDS: Final = 10  # in which there is memory for a body
MOST_DIGITS: Final = 20
# The token is the right, and no cookie plays a part: a page of any origin that holds one may use it.
FOR_ALL_ORIGINS: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
PREFLIGHT: Final = FOR_ALL_ORIGINS | {
    "Access-Control-Allow-Methods": "PUT",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
SAFE: Final = FOR_ALL_ORIGINS | {
    "Cache-Control": f"private, max-age={DOWNLOAD_SECONDS}",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # front ends on other origins show these pictures
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
NOT_KEPT: Final = {"Cache-Control": "no-store"}
# The rest of a refused body is not read, so the connection can't be used again.
CUT_SHORT: Final = FOR_ALL_ORIGINS | {"Connection": "close"}
AGAIN: Final = {"Retry-After": "5"}  # seconds
MANY: Final = "Too many files are sent and fetched at once. Wait until some have arrived."

log = structlog.get_logger(__name__)


class Uploads(Protocol):
    """What is known about files that were announced."""

    async def find(self, upload_id: UUID) -> Expected | None:
        """The file that was announced; None when there is no such upload, or none any more."""

    async def stored(self, upload_id: UUID, received: Received) -> bool:
        """Note what arrived. False when the upload is gone or already holds other bytes."""

    async def forgotten(self, upload_id: UUID, expected: Expected) -> bool:
        """Whether nothing names the bytes of this upload any more."""


class _Refused(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class _Held(Response):
    """An answer that counts until it has gone."""

    def __init__(self, answer: Response, at_once: AtOnce, by: Hashable) -> None:
        self._answer, self._at_once, self._by = answer, at_once, by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            self._at_once.give_back(self._by)


def routes(settings: Settings, files: Files, signer: Signer, uploads: Uploads, shares: Shares) -> list[Route]:
    """`PUT /uploads/{token}` and `GET /files/{token}`.

    Whose an upload is its link tells; a download's is for whoever holds it, and counts by where they are.
    """

    async def put(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=PREFLIGHT)
        try:
            await _receive(request, settings, files, signer, uploads, shares)
        except _Refused as refused:
            return JSONResponse({"message": str(refused)}, refused.status, CUT_SHORT | refused.headers)
        except Unavailable as away:
            return JSONResponse({"message": _away(away)}, 503, CUT_SHORT | AGAIN)
        return Response(status_code=204, headers=FOR_ALL_ORIGINS)

    async def get(request: Request) -> Response:
        by = network(address(request.scope))
        try:
            await _take_one(shares.downloads, by)
        except _Refused as refused:
            return PlainTextResponse(f"{refused}\n", refused.status, SAFE | NOT_KEPT | refused.headers)
        try:
            return _Held(await _send(request, files, signer), shares.downloads, by)
        except BaseException:
            shares.downloads.give_back(by)
            raise

    return [
        Route("/uploads/{token}", put, methods=["PUT", "OPTIONS"], name="upload"),
        Route("/files/{token}", get, methods=["GET"], name="file"),  # Starlette adds HEAD
    ]


async def _receive(
    request: Request, settings: Settings, files: Files, signer: Signer, uploads: Uploads, shares: Shares
) -> None:
    """Take the body that an upload's link is for. Raises `_Refused`."""
    try:
        link = signer.read("upload", request.path_params["token"])
    except ExpiredToken:
        raise _Refused(403, "This link is not valid any more.") from None
    except BadToken:
        raise _Refused(403, "This link is not valid.") from None
    by = UUID(link.get("by", link["id"]))  # links last a day, and those of the version before this one had the id alone
    await _take_one(shares.uploads, by)
    try:
        await shares.pace.turn(by, 1)
        await _take(request, settings, files, uploads, UUID(link["id"]), shares.room)
    except TooMany as fast:
        raise _Refused(429, str(fast), AGAIN) from None
    finally:
        shares.uploads.give_back(by)


async def _take_one(at_once: AtOnce, by: Hashable) -> None:
    """One more, until it is given back. Raises `_Refused` when they have as many as they may for long."""
    try:
        await at_once.take(by)
    except Unavailable:
        raise _Refused(429, MANY, AGAIN) from None


async def _take(
    request: Request, settings: Settings, files: Files, uploads: Uploads, upload_id: UUID, room: Room
) -> None:
    """Take the body of this upload. Raises `_Refused`."""
    expected = await uploads.find(upload_id)
    if expected is None:
        raise _Refused(404, "There is no such upload.")
    _require_size(request, expected)
    try:
        async with room.taken(0 if expected.stored else min(expected.size_bytes, MOST_HELD_BYTES), ROOM_SECONDS):
            received = await _read(request, settings, files, uploads, upload_id, expected)
    except TimeoutError:
        raise _Refused(429, MANY, AGAIN) from None
    if await uploads.stored(upload_id, received):
        return
    if await uploads.forgotten(upload_id, expected):
        await files.delete([expected.key])
        raise _Refused(404, "There is no such upload any more.")
    # Another request was faster: maybe its bytes are on a ticket by now.
    raise _Refused(409, "This upload already holds other bytes, or is in use.")


async def _read(
    request: Request, settings: Settings, files: Files, uploads: Uploads, upload_id: UUID, expected: Expected
) -> Received:
    """Store the body, or find out what it is where it is stored already. Raises `_Refused`."""
    given: dict[str, Any] = {
        "size": expected.size_bytes,
        "allowed": settings.attachment_types,
        "filename": expected.filename,
        "claimed": expected.content_type,
    }
    try:
        if expected.stored:  # a repeat after a lost answer: compared, not written
            return await files.inspect(_body(request), **given)
        return await files.receive(expected.key, _until_stored(request, uploads, upload_id), **given)
    except (WrongSize, ClientDisconnect) as wrong:
        raise _Refused(400, str(wrong) or "The body ended too early.") from None
    except WrongType as wrong:
        raise _Refused(415, str(wrong)) from None
    except TimeoutError:
        raise _Refused(408, f"Nothing came for {SILENCE_SECONDS} seconds.") from None


def _require_size(request: Request, expected: Expected) -> None:
    """Raises `_Refused` when the body is announced with another size than the file was: before any of it flows."""
    announced = request.headers.get("content-length")
    if announced is None:
        raise _Refused(411, "Content-Length is required.")
    if not (announced.isascii() and announced.isdigit() and len(announced) < MOST_DIGITS):
        raise _Refused(400, "Content-Length is not a number.")
    if int(announced) > expected.size_bytes:
        raise _Refused(413, f"The body is larger than the {expected.size_bytes} bytes that were announced.")
    if int(announced) < expected.size_bytes:
        raise _Refused(400, f"The body is smaller than the {expected.size_bytes} bytes that were announced.")


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body's chunks. Raises `TimeoutError` when the sender falls silent, and `_Refused` when they are too slow."""
    chunks, clock = request.stream(), asyncio.get_running_loop().time
    waited, count = 0.0, 0  # for the sender alone, as the store may be slow as well
    while True:
        began = clock()
        async with asyncio.timeout(SILENCE_SECONDS):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        waited, count = waited + clock() - began, count + len(chunk)
        if waited > SILENCE_SECONDS + count / LEAST_SPEED:
            raise _Refused(408, f"Less than {LEAST_SPEED // 1024} KB a second came.")
        yield chunk


async def _until_stored(request: Request, uploads: Uploads, upload_id: UUID) -> AsyncIterator[bytes]:
    """The body's chunks. Raises `_Refused` in the end when another request was faster, whose bytes then stay."""
    async for chunk in _body(request):
        yield chunk
    expected = await uploads.find(upload_id)
    if expected is None or expected.stored:
        raise _Refused(409, "This upload was ended by another request.")


async def _send(request: Request, files: Files, signer: Signer) -> Response:
    """The file that a download's link is for."""
    try:
        link = signer.read("download", request.path_params["token"])
        size, chunks = await files.open(link["key"])
    except ExpiredToken:
        return PlainTextResponse("This link is not valid any more. Ask for a new one.\n", 410, SAFE | NOT_KEPT)
    except (BadToken, FileNotFoundError):
        return PlainTextResponse("There is no such file.\n", 404, SAFE | NOT_KEPT)
    except Unavailable as away:
        return PlainTextResponse(f"{_away(away)}\n", 503, SAFE | NOT_KEPT | AGAIN)
    found = str(link["type"])
    headers = SAFE | {
        "Content-Disposition": _disposition(link["name"], inline=found in PICTURES),
        "Content-Length": str(size),
        "Content-Type": _served_as(found),
    }
    if request.method == "HEAD":
        return Response(headers=headers)
    return StreamingResponse(chunks, headers=headers)


def _away(away: Unavailable) -> str:
    """What whoever asks is told; those who keep the desk running find in the logs what is away."""
    log.warning("files_unavailable", error=told(away))
    return str(away)


def _served_as(found: str) -> str:
    """What a browser could run never goes by its own name."""
    if found in ACTIVE or found.endswith(("+xml", "/xml")):
        return UNKNOWN
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


def _disposition(filename: str, *, inline: bool) -> str:
    """RFC 6266: the name in plain letters for old clients, and as it is, without what could mislead or break a line."""
    name = "".join(letter for letter in filename if letter.isprintable() and letter not in '/\\"').strip() or "file"
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
