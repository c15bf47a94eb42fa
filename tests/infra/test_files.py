"""Attachments in the store, what their content is taken for, and the tokens of their links."""

import asyncio
import base64
import hashlib
import io
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import time_machine
from joserfc import jws
from joserfc.jwk import OctKey

from infra.files import PART_BYTES, Files, Received, WrongSize, WrongType, store_at
from infra.media_types import HTML, Reading, accepted
from infra.settings import ATTACHMENT_TYPES, Settings
from infra.signing import BadToken, ExpiredToken, Signer

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)
SECRET = "s" * 40


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "with a space" / "files"


@pytest.fixture
def files(folder) -> Files:
    return Files(Settings(embedded=True, data_dir=folder.parent, secret_key=SECRET))


async def chunks(body: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def announced(body: bytes, **other) -> dict:
    return {"size": len(body), "allowed": ("image/*", "text/*"), "filename": "a.txt", "claimed": "text/plain"} | other


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


LARGE = b"All work and no play. " * (2 * PART_BYTES // 22 + 1000)


@pytest.mark.parametrize("body", [b"", b"Hello.", LARGE], ids=["empty", "small", "in parts"])
async def test_what_was_received_is_what_is_read(files, folder, body):
    received = await files.receive("ab/cd", chunks(body), **announced(body))

    assert received == Received("text/plain", len(body), hashlib.sha256(body).hexdigest())
    size, stream = await files.open("ab/cd")
    assert size == len(body)
    assert b"".join([chunk async for chunk in stream]) == body

    await files.delete(["never/there", "ab/cd"])
    assert left(folder) == []
    with pytest.raises(FileNotFoundError):
        await files.open("ab/cd")


@pytest.mark.parametrize("body", [b"Hello.", LARGE], ids=["small", "in parts"])
@pytest.mark.parametrize("difference", [-1, 1], ids=["too long", "too short"])
async def test_another_size_than_announced_leaves_nothing(files, folder, body, difference):
    with pytest.raises(WrongSize):
        await files.receive("key", chunks(body), **announced(body, size=len(body) + difference))

    assert left(folder) == []


@pytest.mark.parametrize("body", [b"Hello.\xff\0", LARGE + b"\0\xff"], ids=["small", "in parts"])
async def test_text_that_turns_binary_at_its_end_leaves_nothing(files, folder, body):
    with pytest.raises(WrongType) as refused:
        await files.receive("key", chunks(body), **announced(body))

    assert refused.value.found == "application/octet-stream"
    assert left(folder) == []


async def test_the_content_counts_and_not_the_claim(files, folder):
    page = b"<!DOCTYPE html><script>alert(1)</script>"
    lie = announced(page, filename="cat.png", claimed="image/png")

    with pytest.raises(WrongType) as refused:
        await files.receive("key", chunks(page), **lie)
    assert refused.value.found == "text/html"
    assert left(folder) == []

    assert (await files.receive("key", chunks(page), **lie | {"allowed": ("text/html",)})).content_type == "text/html"


@pytest.mark.parametrize("pause", [0, 2 * PART_BYTES], ids=["at once", "after some parts"])
async def test_a_cancelled_body_leaves_nothing(files, folder, pause):
    waiting = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        async for chunk in chunks(LARGE[: pause + 10_000]):
            yield chunk
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(files.receive("key", stalls(), **announced(LARGE)))
    await waiting.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if not left(folder):
            break
        await asyncio.sleep(0.02)  # a part that is being written is taken back when its writing ends
    assert left(folder) == []


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name in names:
            written.writestr(name, "<a/>")
    return buffer.getvalue() + b"\xff"


@pytest.mark.parametrize(
    ("filename", "claimed", "body", "found"),
    [
        ("a.png", "image/png", PNG, "image/png"),
        ("a.txt", "text/plain", PNG, "image/png"),
        ("a.gif", "", b"GIF89a\1\0\1\0\x80\0\0\xff", "image/gif"),
        ("a.jpg", "", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\xff", "image/jpeg"),
        ("a.webp", "", b"RIFF\x24\0\0\0WEBPVP8 \xff", "image/webp"),
        ("a.pdf", "", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "application/pdf"),
        ("a", "", b"%PDF-1.4 of plain letters", "application/pdf"),
        ("a.zip", "application/zip", archive("a.txt"), "application/zip"),
        ("a", "", archive("a.txt"), "application/zip"),
        (
            "a.docx",
            "",
            archive("[Content_Types].xml", "word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("a.xls", "", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "application/vnd.ms-excel"),
        ("a.txt", "", b"BMW is a make of cars, not a bitmap", "text/plain"),
        ("a.csv", "", b"a,b\n1,2\n", "text/csv"),
        ("a", "text/csv; charset=utf-8", b"a,b\n1,2\n", "text/csv"),
        ("a.md", "", b"# Title", "text/markdown"),
        ("a.json", "", b' {"a": 1}', "application/json"),
        ("a.json", "", b"not at all", "text/plain"),
        ("a.txt", "", "Überraschung".encode(), "text/plain"),
        ("a.txt", "", "Überraschung".encode("latin-1"), "text/plain"),
        ("a.csv", "", "Größe;5 €\r\n".encode("cp1252"), "text/csv"),
        ("a.txt", "", "驚き".encode("shift_jis"), "text/plain"),
        ("a.txt", "", b"\xdcber\0", "application/octet-stream"),
        ("a.html", "", b"<p>\xdcber</p>", "text/html"),
        ("a.txt", "", b"\xfc <?xml", "text/plain"),
        ("a.txt", "", b"\n<!-- a --> <!-- b -->\n<SCRIPT>alert(1)</SCRIPT>", "text/html"),
        ("a.png", "image/png", b"<html>\xff\0", "text/html"),
        ("a.html", "", b"no tag", "text/html"),
        ("a.png", "image/png", b"<svg onload='alert(1)'/>", "image/svg+xml"),
        ("a.txt", "", b"\xef\xbb\xbf<?xml version='1.0'?><s:svg xmlns:s='x'/>", "image/svg+xml"),
        ("a.txt", "", b"#!/bin/sh\nrm -rf /", "text/x-script"),
    ],
)
def test_the_type_is_found_in_the_content(filename, claimed, body, found):
    reading = Reading(filename, claimed)
    reading.add(body, last=True)

    assert reading.found(body) == found


@pytest.mark.parametrize("head", [b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff" + bytes(100), b"\x7fELF\2\1\1\0" + bytes(60)])
def test_a_program_is_not_accepted_as_a_picture(head):
    reading = Reading("a.png", "image/png")
    reading.add(head, last=True)

    assert not accepted(reading.found(head), ATTACHMENT_TYPES)


def test_a_wildcard_takes_no_type_that_can_run_something():
    assert accepted("text/csv", ("text/*",))
    assert not accepted("text/html", ("text/*", "image/*", "*"))
    assert accepted("text/html", ("image/*", "text/html"))


def test_hostile_comments_take_no_time():
    assert HTML.match(b"<!---->" * 1_000 + b"x") is None  # would never end if each way to split them were tried


def test_a_token_says_what_was_signed_until_it_ends():
    signer = Signer(SECRET)
    with time_machine.travel("2026-11-24T09:30:00Z", tick=False) as clock:
        token = signer.sign("download", {"key": "a/b"}, 600)
        claims = signer.read("download", token)
        assert claims["key"] == "a/b"
        assert claims["exp"] - claims["iat"] == 600

        clock.shift(600)
        with pytest.raises(ExpiredToken):
            signer.read("download", token)


def signed(signer, payload):
    """What the signer itself would never sign."""
    return jws.serialize_compact({"alg": "HS256"}, payload, signer._keys_for("download")[0], algorithms=["HS256"])


def test_a_token_of_one_purpose_key_or_algorithm_is_no_other():
    signer = Signer(SECRET)
    token = signer.sign("download", {"key": "a/b"}, 600)
    head, body, signature = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    timeless = orjson.dumps({"purpose": "download", "key": "a/b"})
    now = int(time.time())
    times = [
        {"iat": now},
        {"exp": now + 600},
        {"iat": str(now), "exp": now + 600},
        {"iat": now, "exp": str(now + 600)},
        {"iat": now + 120, "exp": now + 600},  # further ahead than clocks are apart
    ]
    forged = [
        signer.sign("upload", {"key": "a/b"}, 600),
        Signer("t" * 40).sign("download", {"key": "a/b"}, 600),
        f"{head}.{body[:-4]}AAAA.{signature}",
        f"{none}.{body}.",
        f"{head}.{body}.",
        f"{token}.",
        signer.sign("download", {"key": "a" * 8192}, 600),
        *(signed(signer, payload) for payload in (b"[]", b'"download"', b"no JSON")),
        *(signed(signer, orjson.dumps({"purpose": "download", **each})) for each in times),
        signed(signer, timeless),
        jws.serialize_compact({"alg": "HS512"}, timeless, signer._keys_for("download")[0], algorithms=["HS512"]),
        jws.serialize_compact({"alg": "HS256"}, timeless, OctKey.import_key(SECRET), algorithms=["HS256"]),
        "",
        "ü",
        "\ud800.a.b",
        "a" * 100_000,
        "[" * 8_000,
    ]
    for bad in forged:
        with pytest.raises(BadToken) as refused:
            signer.read("download", bad)
        assert refused.type is BadToken  # and not only late


def test_what_a_trusted_key_has_signed_is_read_and_nothing_is_signed_by_it():
    old, new, both = Signer(SECRET), Signer("t" * 40), Signer("t" * 40, "u" * 40, SECRET)
    for signer, trusted in ((old, False), (new, True)):
        token, seal = both.sign("download", {"key": "a/b"}, 600), both.seal("reply", b"value")
        assert signer.sealed("reply", b"value", seal) is trusted
        if trusted:
            assert signer.read("download", token)["key"] == "a/b"
        else:
            with pytest.raises(BadToken):
                signer.read("download", token)
        assert both.read("download", signer.sign("download", {"key": "a/b"}, 600))["key"] == "a/b"
        assert both.sealed("reply", b"value", signer.seal("reply", b"value"))
        assert not both.sealed("bounce", b"value", signer.seal("reply", b"value"))
    with pytest.raises(BadToken):
        both.read("download", Signer("v" * 40).sign("download", {"key": "a/b"}, 600))


def test_what_was_signed_before_an_upgrade_is_read_after_it():
    """Links and addresses to answer to stand in letters that people keep."""
    token = (
        "eyJhbGciOiJIUzI1NiJ9"
        ".eyJrZXkiOiJhL2IiLCJpYXQiOjE3OTU1MTI2MDAsImV4cCI6Mzc5NTUxMjYwMCwicHVycG9zZSI6ImRvd25sb2FkIn0"
        ".tNSMxpVOasVHtbQIayjXi_6LU_Nd840mGEcQBJ-R6Vc"
    )

    assert Signer(SECRET).read("download", token)["key"] == "a/b"
    assert Signer(SECRET).sealed("reply", b"value", bytes.fromhex("9b4de937ff15c0c73c9a339c"))


@pytest.mark.parametrize("name", ["exp", "iat", "purpose"])
def test_registered_claims_cannot_be_set_by_callers(name):
    with pytest.raises(ValueError, match="set here"):
        Signer(SECRET).sign("download", {name: 9_999_999_999}, 600)


def test_nothing_is_signed_without_a_key():
    with pytest.raises(ValueError, match="SECRET_KEY is empty"):
        Signer("")


def test_a_folder_that_is_made_is_for_nobody_else_on_this_machine(tmp_path):
    store_at((tmp_path / "data" / "files").as_uri())

    assert (tmp_path / "data" / "files").stat().st_mode & 0o777 == 0o700
