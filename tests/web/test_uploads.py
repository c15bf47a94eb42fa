"""Links of attachments: what may be sent to one, and how what is fetched from one is labelled."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
import time_machine
from starlette.applications import Starlette

from infra.files import Expected, Files, Received, StoreUnavailable, download_url, upload_url
from infra.postgres import Unavailable
from infra.room import Room
from infra.settings import Settings
from infra.signing import Signer
from web import shares as limits
from web.files import routes
from web.shares import AtOnce, Shares

ANN, BOB = uuid4(), uuid4()
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)


class Announced:
    """The uploads of one test, in memory."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Expected] = {}
        self.hashes: dict[UUID, str] = {}
        self.settled: list[Received] = []
        self.away = False

    def add(self, body: bytes, filename: str = "cat.png", claimed: str = "image/png") -> UUID:
        upload_id = uuid4()
        self.rows[upload_id] = Expected(uuid4(), f"files/{upload_id}", len(body), filename, claimed, stored=False)
        return upload_id

    async def find(self, upload_id: UUID) -> Expected | None:
        if self.away:
            raise Unavailable
        return self.rows.get(upload_id)

    async def stored(self, upload_id: UUID, received: Received) -> bool:
        if upload_id not in self.rows:
            return False
        if self.hashes.setdefault(upload_id, received.sha256) != received.sha256:
            return False
        self.rows[upload_id] = replace(self.rows[upload_id], stored=True)
        self.settled.append(received)
        return True

    async def forgotten(self, upload_id: UUID, _expected: Expected) -> bool:
        return upload_id not in self.rows


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(embedded=True, data_dir=tmp_path, secret_key="s" * 40, public_url="http://desk")


@pytest.fixture
def signer(settings) -> Signer:
    return Signer(settings.secret_key)


@pytest.fixture
def announced() -> Announced:
    return Announced()


@pytest.fixture
def shares(settings) -> Shares:
    return Shares(settings)


@pytest.fixture
def app(settings, signer, announced, shares):
    return Starlette(routes=routes(settings, Files(settings), signer, announced, shares))


@pytest.fixture
async def http(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        yield client


@pytest.fixture
def link(settings, signer):
    return lambda upload_id, seconds=600, by=ANN: upload_url(settings, signer, upload_id, seconds, by=by)


def left(settings):
    return [path for path in (settings.data_dir / "files").rglob("*") if path.is_file()]


async def test_bytes_are_taken_once_and_a_repeat_changes_nothing(http, link, announced, settings):
    url = link(announced.add(PNG))

    answers = [await http.put(url, content=PNG) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert announced.settled[0].content_type == "image/png"
    assert [path.read_bytes() for path in left(settings)] == [PNG]


async def test_other_bytes_cannot_replace_what_is_stored(http, link, announced, settings):
    url = link(announced.add(PNG))
    await http.put(url, content=PNG)

    answer = await http.put(url, content=PNG[:-1] + b"x")

    assert (answer.status_code, answer.json()) == (
        409,
        {"message": "This upload already holds other bytes, or is in use."},
    )
    assert [path.read_bytes() for path in left(settings)] == [PNG]


class Away(Files):
    """A store that can't be reached."""

    async def receive(self, *_arguments, **_options):
        raise StoreUnavailable

    async def open(self, _key):
        raise StoreUnavailable


async def test_while_the_store_or_the_database_is_away_one_may_come_again(
    http, link, announced, settings, signer, shares
):
    url = link(announced.add(PNG))
    fetched = download_url(settings, signer, key="k", filename="f", content_type="image/png", size_bytes=1)
    broken = Starlette(routes=routes(settings, Away(settings), signer, announced, shares))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(broken)) as away:
        answers = [await away.put(url, content=PNG), await away.get(fetched)]
    announced.away = True
    answers.append(await http.put(url, content=PNG))

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [(503, "5")] * 3
    assert {answer.headers["access-control-expose-headers"] for answer in answers} == {"Retry-After"}
    assert answers[0].json()["message"] == answers[1].text.strip() == "Files can't be stored or fetched now. Try again."
    assert answers[1].headers["cache-control"] == "no-store"
    assert left(settings) == []

    announced.away = False
    assert (await http.put(url, content=PNG)).status_code == 204


async def test_of_two_requests_at_once_the_faster_one_counts(http, link, announced, settings):
    upload_id = announced.add(PNG)
    url = link(upload_id)

    async def slow():
        yield PNG[:20]
        await http.put(url, content=PNG)
        yield b"x" * (len(PNG) - 20)

    answer = await http.put(url, content=slow(), headers={"Content-Length": str(len(PNG))})

    assert answer.status_code == 409
    assert [path.read_bytes() for path in left(settings)] == [PNG]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (PNG + b"x", {}, 413),
        (PNG[:-1], {}, 400),
        (PNG[:-1], {"Content-Length": str(len(PNG))}, 400),
        (PNG + b"x", {"Content-Length": str(len(PNG))}, 400),
        (PNG, {"Content-Length": "9" * 5000}, 400),
        (b"<html><script>".ljust(len(PNG)), {}, 415),
    ],
)
async def test_what_was_not_announced_is_refused_and_leaves_nothing(
    http, link, announced, settings, body, headers, status
):
    answer = await http.put(link(announced.add(PNG)), content=body, headers=headers)

    assert answer.status_code == status
    assert answer.json()["message"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (left(settings), announced.settled) == ([], [])


async def test_a_body_of_unknown_length_is_refused(http, link, announced):
    async def body():
        yield PNG

    assert (await http.put(link(announced.add(PNG)), content=body())).status_code == 411


async def test_a_sender_that_leaves_leaves_nothing(app, link, announced, settings):
    url = httpx.URL(link(announced.add(PNG)))
    messages = [{"type": "http.request", "body": PNG[:20], "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", str(len(PNG)).encode())]
    scope = {"type": "http", "method": "PUT", "path": url.path, "headers": headers, "query_string": b""}
    await app(scope, receive, send)

    assert sent[0]["status"] == 400
    assert (left(settings), announced.settled) == ([], [])


async def test_only_a_link_for_this_purpose_opens_the_door(http, link, settings, signer, announced):
    upload_id = announced.add(PNG)
    other = download_url(settings, signer, key="k", filename="f", content_type="image/png", size_bytes=1)

    assert (await http.put(link(upload_id, seconds=0), content=PNG)).status_code == 403
    assert (await http.put(link(upload_id) + "x", content=PNG)).status_code == 403
    assert (await http.put(other.replace("/files/", "/uploads/"), content=PNG)).status_code == 403
    assert (await http.put(link(uuid4()), content=PNG)).status_code == 404
    assert (await http.get(link(upload_id).replace("/uploads/", "/files/"))).status_code == 404
    assert announced.settled == []


async def test_a_page_of_any_origin_may_ask(http, link, announced):
    answer = await http.options(link(announced.add(PNG)), headers={"Origin": "https://spa.example"})

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.fixture
def stored(http, link, announced, settings, signer):
    """Stores a body, and gives the address to fetch it from."""

    async def store(body: bytes, filename: str, labelled: str | None = None) -> str:
        upload_id = announced.add(body, filename)
        assert (await http.put(link(upload_id), content=body)).status_code == 204
        return download_url(
            settings,
            signer,
            key=announced.rows[upload_id].key,
            filename=filename,
            content_type=labelled or announced.settled[-1].content_type,
            size_bytes=len(body),
        )

    return store


async def test_a_picture_is_shown_and_nothing_in_it_can_run(http, stored):
    url = await stored(PNG, "cat.png")
    answer = await http.get(url)

    assert answer.content == PNG
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == str(len(PNG))
    assert answer.headers["content-disposition"].startswith("inline;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["cache-control"] == "private, max-age=600"
    head = await http.head(url)
    assert (head.content, head.headers) == (b"", answer.headers)


async def test_all_else_is_saved_under_a_harmless_name(http, stored):
    name = 'Rechnung "Ü"/..\\\r\nSet-Cookie: a=b\u202egpj.txt'
    answer = await http.get(await stored(b"Hello.", name))

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Rechnung _..Set-Cookie: a=bgpj.txt"; '
        "filename*=UTF-8''Rechnung%20%C3%9C..Set-Cookie%3A%20a%3Dbgpj.txt"
    )
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("labelled", ["text/html", "image/svg+xml", "application/atom+xml"])
async def test_what_could_run_never_goes_by_its_own_name(http, stored, labelled):
    answer = await http.get(await stored(b"Hello.", "page", labelled))

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


async def test_a_link_ends_and_a_missing_file_is_missing(http, settings, signer, stored):
    with time_machine.travel("2026-11-24T09:30:00Z", tick=False) as clock:
        url = await stored(PNG, "cat.png")
        clock.shift(600)
        late = await http.get(url)
    gone = download_url(settings, signer, key="gone", filename="f", content_type="image/png", size_bytes=1)
    missing = await http.get(gone)

    assert (late.status_code, missing.status_code) == (410, 404)
    assert late.headers["cache-control"] == "no-store"


class Slow:
    """A client of the application that sends a body, or takes an answer, no further until it is told to."""

    def __init__(self, app, method, url, host="127.0.0.1"):
        self.started, self.on = asyncio.Event(), asyncio.Event()
        self.status = None
        headers = [(b"content-length", str(len(PNG)).encode())]
        self.scope = {
            "type": "http", "method": method, "path": httpx.URL(url).path, "raw_path": b"", "query_string": b"",
            "headers": headers, "client": (host, 1), "root_path": "", "scheme": "http",
        }  # fmt: skip
        self.task = asyncio.create_task(app(self.scope, self.receive, self.send))

    async def receive(self):
        if self.scope["method"] == "PUT":
            self.started.set()
            await self.on.wait()
            return {"type": "http.request", "body": PNG, "more_body": False}
        return await asyncio.Event().wait()

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif self.scope["method"] == "GET":
            self.started.set()
            await self.on.wait()

    async def ends(self):
        self.on.set()
        async with asyncio.timeout(5):
            await self.task
        return self.status


async def test_so_many_files_of_one_person_are_taken_at_once(app, http, link, announced, shares, monkeypatch):
    monkeypatch.setattr(shares, "uploads", AtOnce(2))
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.05)
    slow = [Slow(app, "PUT", link(announced.add(PNG))) for _ in range(2)]
    for each in slow:
        await each.started.wait()

    refused = await http.put(url := link(announced.add(PNG)), content=PNG)
    others = await http.put(link(announced.add(PNG), by=BOB), content=PNG)

    assert (refused.status_code, refused.headers["retry-after"], others.status_code) == (429, "5", 204)
    assert [await each.ends() for each in slow] == [204, 204]
    assert (await http.put(url, content=PNG)).status_code == 204


async def test_files_come_in_as_long_as_there_is_memory_for_them(app, http, link, announced, shares, monkeypatch):
    monkeypatch.setattr(shares, "room", Room(len(PNG)))
    monkeypatch.setattr("web.files.ROOM_SECONDS", 0.05)
    repeated = link(announced.add(PNG))
    assert (await http.put(repeated, content=PNG)).status_code == 204
    slow = Slow(app, "PUT", link(announced.add(PNG)))
    await slow.started.wait()

    refused = await http.put(url := link(announced.add(PNG), by=BOB), content=PNG)
    again = await http.put(repeated, content=PNG)  # which is compared, and not held

    assert (refused.status_code, refused.headers["retry-after"], again.status_code) == (429, "5", 204)
    assert await slow.ends() == 204
    assert (await http.put(url, content=PNG)).status_code == 204


async def test_a_sender_that_is_too_slow_is_given_up(http, link, announced, settings, monkeypatch):
    monkeypatch.setattr("web.files.SILENCE_SECONDS", 0.2)

    async def drop_by_drop():
        for byte in PNG:
            await asyncio.sleep(0.03)
            yield bytes([byte])

    url, headers = link(announced.add(PNG)), {"content-length": str(len(PNG))}
    monkeypatch.setattr("web.files.LEAST_SPEED", 10)
    assert (await http.put(url, content=drop_by_drop(), headers=headers)).status_code == 204
    url = link(announced.add(PNG))
    monkeypatch.setattr("web.files.LEAST_SPEED", 1024)
    given_up = await http.put(url, content=drop_by_drop(), headers=headers)
    assert (given_up.status_code, given_up.json()) == (408, {"message": "Less than 1 KB a second came."})
    assert len(left(settings)) == 1


async def test_of_whoever_leaves_as_their_turn_comes_nothing_is_kept():
    at_once = AtOnce(1)
    await at_once.take("somebody")
    waiting = asyncio.create_task(at_once.take("somebody"))
    await asyncio.sleep(0)
    at_once.give_back("somebody")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert at_once._of == {}


async def test_so_many_files_are_sent_to_one_network_at_once(app, http, link, announced, shares, signer, monkeypatch):
    monkeypatch.setattr(shares, "downloads", AtOnce(2))
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.05)
    await http.put(link(sent := announced.add(PNG)), content=PNG)
    key, claims = announced.rows[sent].key, {"filename": "f", "content_type": "image/png", "size_bytes": len(PNG)}
    url = download_url(Settings(embedded=True, public_url="http://desk"), signer, key=key, **claims)
    slow = [Slow(app, "GET", url, host) for host in ("2001:db8::1", "2001:db8::2:1")]
    for each in slow:
        await each.started.wait()

    refused, elsewhere = Slow(app, "GET", url, "2001:db8::3"), Slow(app, "GET", url, "2001:db8:0:1::1")

    assert [await refused.ends(), await elsewhere.ends()] == [429, 200]
    assert [await each.ends() for each in slow] == [200, 200]
    assert await Slow(app, "GET", url, "2001:db8::3").ends() == 200
    gone = Slow(app, "GET", url, "2001:db8::3")
    await gone.started.wait()
    gone.task.cancel()
    await asyncio.wait({gone.task})
    assert not shares.downloads._of
    missing = download_url(Settings(embedded=True, public_url="http://desk"), signer, key="gone", **claims)
    assert [await Slow(app, "GET", missing, "2001:db8::3").ends() for _ in range(3)] == [404] * 3


async def test_a_link_of_the_last_version_is_good(http, announced, signer):
    token = signer.sign("upload", {"id": str(announced.add(PNG))}, 600)

    assert (await http.put(f"http://desk/uploads/{token}", content=PNG)).status_code == 204
