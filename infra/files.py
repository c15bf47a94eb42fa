"""Attachments: bytes under a key, in a local folder or a bucket, checked while they stream in."""

import asyncio
import datetime as dt
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from infra.media_types import HEAD_BYTES, Reading, accepted
from infra.postgres import Unavailable
from infra.settings import InvalidSettingsError, Settings
from infra.signing import Signer

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PART_BYTES: Final = 5 * 1024 * 1024  # the smallest part that S3 takes
PARTS_AT_ONCE: Final = 2
MOST_HELD_BYTES: Final = (PARTS_AT_ONCE + 1) * PART_BYTES  # of one body that is stored
READ_BYTES: Final = 256 * 1024
TAKE_BACK_SECONDS: Final = 10
DOWNLOAD_SECONDS: Final = 600
# A bucket that says nothing for so long is away; a reader may be as slow as they are.
PATIENCE: "Final[ClientConfig]" = {
    "connect_timeout": "3 seconds",
    "read_timeout": "5 seconds",
    "timeout": f"{DOWNLOAD_SECONDS} seconds",
}
TRIES: "Final[RetryConfig]" = {"max_retries": 2, "retry_timeout": dt.timedelta(seconds=5)}


class StoreUnavailable(Unavailable):
    """The store of files can't be reached, has no room, or refuses us."""

    def __init__(self, told: str = "the store of files is away") -> None:
        """`told`: for those who keep the desk running."""
        super().__init__("Files can't be stored or fetched now. Try again.")
        self.told = told


class WrongSize(Exception):
    """The body is longer or shorter than was announced."""


class WrongType(Exception):
    """The content is of a type that is not accepted."""

    def __init__(self, found: str) -> None:
        super().__init__(f"The content is {found}, which is not accepted.")
        self.found = found


@dataclass(frozen=True, slots=True)
class Expected:
    """One file that was announced: by whom, where it goes, what it should be, whether its bytes are there already."""

    person_id: UUID
    key: str
    size_bytes: int
    filename: str
    content_type: str  # as claimed
    stored: bool


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived: the type found in the content, the size in bytes, the hash in hexadecimal digits."""

    content_type: str
    size_bytes: int
    sha256: str


class Files:
    """The store of attachments that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._store = store_at(settings.storage_url)

    async def receive(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int,
        allowed: tuple[str, ...],
        filename: str,
        claimed: str,
    ) -> Received:
        """Store a body of exactly `size` bytes and of an allowed type (such as `image/*`) under `key`, part by part.

        Raises `WrongSize`, `WrongType` and `StoreUnavailable`. Whatever goes wrong, a cancelled request too, nothing of
        the body stays; a small one that was cancelled as it went out may, until its upload is swept.
        """
        check = _Check(size, allowed, filename, claimed)
        if size <= PART_BYTES:  # then the store hears of it when all is well, in one request
            body = b"".join([chunk async for chunk in check.passed(chunks)])
            with _reached(FileNotFoundError):  # the bucket's
                await obstore.put_async(self._store, key, body, use_multipart=False)
        else:
            with _reached(FileNotFoundError):
                await self._put_in_parts(key, check.passed(chunks))
        return check.received

    async def inspect(
        self, chunks: AsyncIterator[bytes], *, size: int, allowed: tuple[str, ...], filename: str, claimed: str
    ) -> Received:
        """What `receive` would find and refuse; nothing is stored."""
        check = _Check(size, allowed, filename, claimed)
        async for _ in check.passed(chunks):
            pass
        return check.received

    async def open(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """The size in bytes, and the bytes. Raises `FileNotFoundError` and `StoreUnavailable`."""
        with _reached():
            found = await obstore.get_async(self._store, key)
        return found.meta["size"], _bytes(found)

    async def keep(self, key: str, content: bytes) -> None:
        """Store something of our own, of whatever type, in place of what lay there. Raises `StoreUnavailable`."""
        with _reached(FileNotFoundError):
            await obstore.put_async(self._store, key, content)

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove what lies under these keys; those that are gone already are fine. Raises `StoreUnavailable`."""
        for key in keys:  # a folder refuses a list from the first missing key on
            with suppress(FileNotFoundError), _reached():
                await obstore.delete_async(self._store, key)

    async def _put_in_parts(self, key: str, body: AsyncIterator[bytes]) -> None:
        """Store a body, or take back its parts: the store does so when the body fails, but not when it is cancelled."""
        given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def until_given_up() -> AsyncIterator[bytes]:
            while True:
                step = asyncio.ensure_future(anext(body, None))
                waiting: set[asyncio.Future[Any]] = {step, given_up}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if given_up.done():
                    step.cancel()
                    await asyncio.wait({step})
                    raise WrongSize("The body was given up.")
                if (chunk := step.result()) is None:
                    return
                yield chunk

        put = asyncio.ensure_future(
            obstore.put_async(self._store, key, until_given_up(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        )
        try:
            await asyncio.shield(put)
        except asyncio.CancelledError:
            given_up.set_result(None)
            await asyncio.wait({put}, timeout=TAKE_BACK_SECONDS)
            if put.done() and not put.cancelled() and put.exception() is None:  # it was complete a moment before
                await self.delete([key])
            raise


class _Check:
    """Counts, hashes and identifies a body that streams through."""

    def __init__(self, size: int, allowed: tuple[str, ...], filename: str, claimed: str) -> None:
        self._size = size
        self._allowed = allowed
        self._reading = Reading(filename, claimed)
        self._sha256 = hashlib.sha256()
        self._count = 0
        self._head = b""

    async def passed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, from the moment when their type is known to be fine. Raises `WrongSize` and `WrongType`."""
        async for chunk in chunks:
            held = len(self._head) < HEAD_BYTES
            self._take(chunk)
            if held:
                self._head += chunk
                if len(self._head) < HEAD_BYTES:
                    continue
                self._require_accepted()
                yield self._head
            elif chunk:
                yield chunk
        if self._count < self._size:
            raise WrongSize(f"The body has {self._count} bytes, where {self._size} were announced.")
        self._reading.add(b"", last=True)
        self._require_accepted()
        if len(self._head) < HEAD_BYTES and self._head:
            yield self._head

    @property
    def received(self) -> Received:
        return Received(self._reading.found(self._head), self._count, self._sha256.hexdigest())

    def _take(self, chunk: bytes) -> None:
        self._count += len(chunk)
        if self._count > self._size:
            raise WrongSize(f"The body has more than the {self._size} bytes that were announced.")
        self._sha256.update(chunk)
        self._reading.add(chunk)

    def _require_accepted(self) -> None:
        found = self._reading.found(self._head)
        if not accepted(found, self._allowed):
            raise WrongType(found)


@contextmanager
def _reached(*missing: type[Exception]) -> Iterator[None]:
    """Whatever fails at the store is its fault. `missing`: what else is, where no file is asked for."""
    faults: tuple[type[Exception], ...] = (BaseError, *missing)
    try:
        yield
    except faults as failed:
        raise StoreUnavailable(type(failed).__name__) from failed


async def _bytes(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    async for chunk in found.stream(min_chunk_size=READ_BYTES):
        yield bytes(chunk)


def store_at(url: str) -> ObjectStore:
    """The store at a URL. A bucket's keys, region and endpoint come from the usual variables (AWS_…, GOOGLE_…)."""
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return from_url(url)
    if parts.scheme != "file":
        plain: ClientConfig = {"allow_http": _may_be_plain(parts.scheme)}
        return from_url(url, client_options=PATIENCE | plain, retry_config=TRIES)
    folder = Path(url2pathname(parts.path))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people sent is for nobody else on this machine
    except OSError as failed:
        raise InvalidSettingsError(f"STORAGE_URL: {folder} can't be made: {failed.strerror}") from failed
    return LocalStore(folder)


def _may_be_plain(scheme: str) -> bool:
    """Whether the store may be asked without TLS, as some on one's own network are: the operator says so."""
    if scheme == "gs":
        return os.environ.get("GOOGLE_BASE_URL", "").startswith("http://")
    return os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"  # given any options, this one is not looked for


def upload_url(settings: Settings, signer: Signer, upload_id: UUID, seconds: int, *, by: UUID) -> str:
    """Where the bytes of a file that somebody announced may be sent to by PUT, for so many seconds."""
    return f"{settings.public_url}/uploads/{signer.sign('upload', {'id': str(upload_id), 'by': str(by)}, seconds)}"


def download_url(
    settings: Settings, signer: Signer, *, key: str, filename: str, content_type: str, size_bytes: int
) -> str:
    """Where whoever holds the address may fetch one file, for `DOWNLOAD_SECONDS`."""
    claims: dict[str, Any] = {"key": key, "name": filename, "type": content_type, "size": size_bytes}
    return f"{settings.public_url}/files/{signer.sign('download', claims, DOWNLOAD_SECONDS)}"
