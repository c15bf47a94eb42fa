"""Files that want to run, or to lie: sent as anybody sends them, and looked at as they come back."""

import io
import time
import zipfile
from uuid import UUID

import pytest

FILES = "query($id: ID!) { ticket(id: $id) { attachments { nodes { filename contentType url } } } }"
SCRIPT = b"<script>alert(document.cookie)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(20)
GIF = b"GIF89a" + bytes(20)
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)
# Formats that programs run, or browsers did; whatever their name says, they are not served.
REFUSED = {
    "a page": (b"<!doctype html><html>" + SCRIPT, "a.html", "text/plain"),
    "a page called text": (b"<html>" + SCRIPT, "a.txt", "text/plain"),
    "a page called a picture": (b"<html>" + SCRIPT, "a.png", "image/png"),
    "a page behind a comment": (b"<!-- --><html>" + SCRIPT, "a.txt", "text/plain"),
    "a page behind a mark of order": (b"\xef\xbb\xbf<html>" + SCRIPT, "a.txt", "text/plain"),
    "a page far below": (b" " * 9_000 + b"<html>" + SCRIPT, "a.txt", "text/plain"),
    "a drawing that runs": (SVG, "a.svg", "image/png"),
    "a drawing called a picture": (SVG, "a.png", "image/png"),
    "a drawing called text": (b'<?xml version="1.0"?>' + SVG, "a.txt", "text/plain"),
    "XML with a style sheet": (b'<?xml-stylesheet type="text/xsl" href="//evil/x"?><a/>', "a.txt", "text/plain"),
    "XML that laughs": (b'<!DOCTYPE x [<!ENTITY a "&b;&b;">]><x>&a;</x>', "a.xml", "text/plain"),
    "a program": (b"MZ" + bytes(200), "a.exe", "image/png"),
    "a program of Linux": (b"\x7fELF" + bytes(200), "a", "image/png"),
    "a script": (b"#!/bin/sh\nrm -rf /\n", "a.txt", "text/plain"),
    "a script by its name": (b"rm -rf /\n", "a.sh", "text/plain"),
    "an application of HTML": (b"alert(1)", "a.hta", "text/plain"),
    "a module": (b"alert(1)", "a.mjs", "text/plain"),
    "Flash": (b"FWS\x09" + bytes(60), "a.swf", "image/png"),
}
# What is taken: as what it is served, whatever its name and its sender say.
BOMB = io.BytesIO()
with zipfile.ZipFile(BOMB, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("zeros", bytes(16 * 1024 * 1024))
TAKEN = {
    "a picture that is a script": (b"GIF89a=1;" + b"alert(1)//" * 3, "a.gif", "image/gif"),
    "a picture that is a page": (GIF + SCRIPT, "a.gif", "image/gif"),
    "a picture that is a page, in its comment": (JPEG + SCRIPT, "a.html", "image/jpeg"),
    "a picture with an archive behind": (PNG + b"PK\x03\x04" + bytes(30), "a.jar", "image/png"),
    "a picture called a page": (PNG, "a.html", "image/png"),
    "a picture called a program": (PNG, "a.exe", "image/png"),
    "a document that is a page": (b"%PDF-1.7\n" + SCRIPT, "a.pdf", "application/pdf"),
    "a page of another alphabet": (("<html>" + SCRIPT.decode()).encode("utf-16"), "a.txt", "text/plain"),
    "a page in UTF-7": (b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-", "a.txt", "text/plain"),
    "a drawing within text": (b"Look: " + SVG, "a.txt", "text/plain"),
    "a table that counts": (b"=cmd|' /C calc'!A0\n", "a.csv", "text/csv"),
    "an archive that grows": (BOMB.getvalue(), "a.zip", "application/zip"),
    "an archive called a picture": (BOMB.getvalue(), "a.png", "image/png"),
    "JSON that is a page": (b'{"a": "<script>alert(1)</script>"}', "a.json", "application/json"),
    "a mail that is a page": (b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + SCRIPT, "a.mht", "text/plain"),
}  # fmt: skip
HARMLESS = {"image/png", "image/jpeg", "image/gif"}  # what browsers show and never run


@pytest.mark.parametrize(("body", "filename", "claimed"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_runs_is_not_taken(create, send, desk, database, customer, body, filename, claimed):
    upload = await create(customer, filename=filename, contentType=claimed, sizeBytes=len(body))
    before = await database.counts()

    answer = await send(upload, body)

    assert answer.status_code == 415
    assert await database.counts() == before
    (row,) = await database.rows("SELECT stored_at, key FROM uploads")
    assert row["stored_at"] is None
    assert not (desk.settings.data_dir / "files" / row["key"]).exists()


@pytest.mark.parametrize(("body", "filename", "claimed"), TAKEN.values(), ids=TAKEN.keys())
async def test_what_is_taken_comes_back_unable_to_run(
    api, http, uploaded, submit, customer, problem, body, filename, claimed
):
    began = time.process_time()
    upload_id = await uploaded(customer, body, filename=filename, contentType=claimed)
    ticket = await submit(customer, problem, uploadIds=[upload_id])
    (file,) = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]["nodes"]

    answer = await http.get(file["url"])

    headers = answer.headers
    assert answer.content == body
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    kind, _, rest = headers["content-type"].partition(";")
    inline = headers["content-disposition"].startswith("inline;")
    assert inline == (kind in HARMLESS)
    assert inline or headers["content-disposition"].startswith("attachment;")
    assert not any(mark in kind for mark in ("html", "xml", "script", "svg"))
    assert not kind.startswith("text/") or rest.strip() == "charset=utf-8"
    assert time.process_time() - began < 2  # nothing is unpacked


NAMES = {
    "../../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "..\\..\\windows\\win.ini": "win.ini",
    "C:\\Users\\carla\\cat.png": "cat.png",
    "cat\0.png": None,
    "cat\r\nSet-Cookie: a=b.png": "cat Set-Cookie: a=b.png",
    "cat\x1b[2J.png": "cat[2J.png",
    "\u202egnp.exe": "gnp.exe",
    '"; filename=evil.html; x="': '"; filename=evil.html; x="',
    "%2e%2e%2fetc%2fpasswd": "%2e%2e%2fetc%2fpasswd",
    "<img src=x onerror=alert(1)>.png": "<img src=x onerror=alert(1)>.png",
    "a" * 255: "a" * 255,
    "a" * 256: None,
    "💥" * 255: "💥" * 255,
    "..": None,
    ".": None,
    "/": None,
    "folder/": None,
    "\u200b": None,
}


def stored(desk):
    """What the files are called that are there."""
    return {path.name for path in (desk.settings.data_dir / "files").rglob("*") if path.is_file()}


@pytest.mark.parametrize(("given", "kept"), NAMES.items(), ids=range(len(NAMES)))
async def test_a_name_is_one_name_and_leads_nowhere(
    api, http, create, send, submit, desk, customer, problem, given, kept
):
    try:
        upload = await create(customer, filename=given, sizeBytes=len(PNG))
    except AssertionError:  # U+0000 is no text at all
        upload = {"__typename": "InvalidInput"}
    if kept is None:
        assert upload["__typename"] == "InvalidInput"
        return
    before = stored(desk)
    assert (await send(upload, PNG)).status_code == 204
    ticket = await submit(customer, problem, uploadIds=[upload["id"]])
    (file,) = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]["nodes"]
    assert file["filename"] == kept

    answer = await http.get(file["url"])

    disposition = answer.headers["content-disposition"]
    plain, _, encoded = disposition.removeprefix('inline; filename="').partition("\"; filename*=UTF-8''")
    assert not set(plain) & set('/\\"\r\n;') - {";"}
    assert set(encoded) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
    assert "set-cookie" not in answer.headers
    (name,) = stored(desk) - before
    assert UUID(name)  # an id of ours, wherever theirs would lead


@pytest.mark.parametrize("key", ["../secret", "/secret", "a/../../secret", "..%2fsecret", "\0"])
async def test_no_key_leads_out_of_the_store(desk, key):
    """Keys are made of ids and only we sign one; even so."""
    (desk.settings.data_dir / "secret").write_text("secret")
    with pytest.raises((ValueError, FileNotFoundError)):
        await desk.files.open(key)
