"""Letters as they reach a mail server, and what comes of a server's answer."""

import asyncio
import email
import email.policy
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from structlog.testing import capture_logs

from infra import letters, mail, mailcatcher, smtp
from infra.faults import told
from infra.letters import BOUNDARY, Later, Letter, Undeliverable
from infra.mail import Mailer
from infra.mail_door import Door
from infra.mailcatcher import Catcher
from infra.settings import Settings

LETTER = Letter(
    to="customer@example.com",
    to_name="Zoë, Customer",
    subject="Ihr Ticket #1001: gelöst",
    text="Grüße\n.\nA line with a dot alone stands above.\n",
    html="<p>Grüße</p>",
    message_id="<one@example.com>",
    headers={"List-Unsubscribe": "<https://desk.example/unsubscribe/abc>"},
)


async def send(settings, letter):
    """Hands one letter over."""
    mailer = Mailer(settings)
    try:
        await mailer.send(letter)
    finally:
        await mailer.close()


class Server:
    """A mail server that says what a test wants it to say."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes = []
        self.answers: dict[str, str] = {}
        self.pause = 0.0

    async def handle_MAIL(self, _server, _session, envelope, address, _options):  # noqa: N802 (aiosmtpd calls it so)
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 (aiosmtpd calls it so)
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 (aiosmtpd calls it so)
        await asyncio.sleep(self.pause)
        self.envelopes.append(envelope)
        self.messages.append(email.message_from_bytes(envelope.original_content, policy=email.policy.default))
        return self.answers.get("DATA", "250 OK")

    async def handle_QUIT(self, _server, _session, _envelope):  # noqa: N802 (aiosmtpd calls it so)
        return self.answers.get("QUIT", "221 Bye")


@asynccontextmanager
async def listening(handler, **options):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, hostname="test", **options), "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
async def server():
    yield (handler := Server())
    assert all(len(envelope.rcpt_tos) == 1 for envelope in handler.envelopes)


@pytest.fixture
async def settings(server, tmp_path):
    async with listening(server) as url:
        yield Settings(
            embedded=True, data_dir=tmp_path, smtp_url=url, mail_from="desk@example.com", desk_name="Hilfe, schnell"
        )


def greeting(server, monkeypatch):
    """Who has greeted so far, one for each connection."""
    greeted = []

    async def greets(_server, session, _envelope, hostname, answers):
        session.host_name = hostname
        greeted.append(session)
        return answers

    monkeypatch.setattr(server, "handle_EHLO", greets, raising=False)
    return greeted


def test_a_letter_is_dated_in_utc_wherever_the_desk_stands(monkeypatch):
    with monkeypatch.context() as there:
        there.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        message = letters.written(Address("Desk", addr_spec="desk@example.com"), LETTER)
    time.tzset()
    assert re.search(rb"^Date: .+ \+0000\r$", message, re.MULTILINE)


async def test_a_letter_arrives_as_it_was_written(settings, server):
    await send(settings, LETTER)

    [message] = server.messages
    assert message["From"].addresses[0].addr_spec == "desk@example.com"
    assert message["From"].addresses[0].display_name == "Hilfe, schnell"
    assert message["To"].addresses[0].addr_spec == "customer@example.com"
    assert message["To"].addresses[0].display_name == "Zoë, Customer"
    assert message["Subject"] == LETTER.subject
    assert message["Message-ID"] == LETTER.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["List-Unsubscribe"] == LETTER.headers["List-Unsubscribe"]
    assert message["Date"].datetime is not None
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert (plain.get_content_type(), plain.get_content().replace("\r\n", "\n")) == ("text/plain", LETTER.text)
    assert (html.get_content_type(), html.get_content().strip()) == ("text/html", LETTER.html)
    assert server.envelopes[0].mail_from == "desk@example.com"
    assert server.envelopes[0].rcpt_tos == ["customer@example.com"]


@pytest.mark.parametrize("html", [LETTER.html, None])
def test_lines_end_as_they_do_in_mail(html):
    """Also for who takes letters by another way than SMTP, whose client would mend it."""
    text = letters.written(Address("Desk", addr_spec="desk@example.com"), replace(LETTER, html=html))
    assert b"\n" not in text.replace(b"\r\n", b"")


async def test_a_letter_without_html_is_plain(settings, server):
    await send(settings, Letter("a@example.com", None, "Hello", "Text", None, "<two@example.com>"))

    assert server.messages[0].get_content_type() == "text/plain"
    assert server.messages[0]["To"] == "a@example.com"


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hello\r\nBcc: victim@example.com"},
        {"subject": "Hello\nthere"},
        {"to_name": "A\r\nBcc: victim@example.com"},
        {"to": "a@example.com\r\nBcc: victim@example.com"},
        {"to": "a@example.com, victim@example.com"},
        {"to": ""},
        {"to": "@"},
        {"message_id": "<a>\r\nBcc: victim@example.com"},
        {"headers": {"References": "<a>\nBcc: victim@example.com"}},
        {"headers": {"Bcc: victim@example.com\r\nX": "y"}},
    ],
)
async def test_nothing_can_be_written_into_the_headers(settings, server, change):
    fields = {name: getattr(LETTER, name) for name in Letter.__slots__}
    if isinstance(change.get("headers"), set):
        change = {"headers": dict.fromkeys(change["headers"], "y")}

    with pytest.raises(Undeliverable):
        await send(settings, Letter(**fields | change))

    assert server.messages == []


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("said", "raised"), [("550 5.1.1 no such box", Undeliverable), ("451 4.3.0 busy", Later)])
async def test_a_refusal_is_for_ever_or_for_now(settings, server, step, said, raised):
    server.answers[step] = said

    with pytest.raises(raised, match=said.partition(" ")[0]):
        await send(settings, LETTER)


async def test_what_comes_back_goes_where_the_letter_says(settings, server):
    letter = replace(LETTER, reports_to="bounce+one@desk.example")
    await send(settings, letter)

    assert server.envelopes[0].mail_from == letter.reports_to
    assert server.messages[0]["From"].addresses[0].addr_spec == "desk@example.com"
    assert letter.reports_to not in str(server.messages[0])


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
async def test_a_server_that_lets_us_be_one_sender_alone_has_letters_from_that(settings, server, monkeypatch, step):
    """Some say so at once, some only when they hear for whom it is."""
    name = f"handle_{step}"
    usual = getattr(server, name)

    async def particular(here, session, envelope, address, options):
        if "bounce+" in (address if step == "MAIL" else envelope.mail_from):
            return "553 5.7.1 Sender address rejected: not owned by user"
        return await usual(here, session, envelope, address, options)

    monkeypatch.setattr(server, name, particular)
    mailer = Mailer(settings)
    with capture_logs() as logs:
        for _ in range(2):
            await mailer.send(replace(LETTER, reports_to="bounce+one@desk.example"))
    server.answers[step] = "550 5.1.1 no such box"
    if step == "RCPT":
        with pytest.raises(Undeliverable, match="no such box"):
            await mailer.send(replace(LETTER, reports_to="bounce+one@desk.example"))
    await mailer.close()

    assert [envelope.mail_from for envelope in server.envelopes] == ["desk@example.com"] * 2
    assert [log["event"] for log in logs] == ["mail_server_takes_mail_from_alone"]


async def test_a_server_that_fails_after_taking_the_letter_has_it(settings, server):
    server.answers["QUIT"] = "421 no goodbye"

    await send(settings, LETTER)

    assert len(server.messages) == 1


async def test_a_connection_is_kept_for_the_letters_that_follow(settings, server, monkeypatch):
    greeted = greeting(server, monkeypatch)
    mailer = Mailer(settings)
    for _ in range(3):
        await mailer.send(LETTER)
    await asyncio.gather(mailer.send(LETTER), mailer.send(LETTER))
    await mailer.close()
    assert (len(server.messages), len(greeted)) == (5, 2)


async def test_what_we_are_called_is_asked_once(settings, server, monkeypatch):
    greeted, asked = greeting(server, monkeypatch), []
    monkeypatch.setattr("socket.getfqdn", lambda: asked.append(None) or f"desk{len(asked)}.example.com")
    smtp.own_name.cache_clear()
    try:
        for _ in range(2):
            await send(settings, LETTER)
    finally:
        smtp.own_name.cache_clear()
    assert [session.host_name for session in greeted] == ["desk1.example.com"] * 2


async def test_a_kept_connection_that_has_gone_is_replaced(settings, server):
    mailer = Mailer(settings)
    await mailer.send(LETTER)
    (smtp,) = mailer._carriers
    (kept,) = smtp._idle
    kept[0].transport.abort()
    await mailer.send(LETTER)
    assert len(server.messages) == 2

    smtp._let_go(smtp._idle[0][0])  # as it happens when none follows for a while
    assert smtp._idle == []
    await mailer.send(LETTER)
    assert len(server.messages) == 3
    await mailer.close()


@pytest.mark.parametrize("step", ["NOOP", "RSET", "QUIT"])
async def test_a_connection_is_closed_by_whoever_gives_it_up(settings, server, monkeypatch, step):
    waits = asyncio.Event()

    async def hangs(*_):
        if server.messages:
            waits.set()
            await asyncio.sleep(1)
        return "250 OK"

    monkeypatch.setattr(server, f"handle_{step}", hangs, raising=False)
    monkeypatch.setattr(smtp, "FRESH_SECONDS", 0 if step == "NOOP" else 60)
    mailer = Mailer(settings)
    await mailer.send(LETTER)
    (carrier,) = mailer._carriers
    client = carrier._idle[0].client
    server.answers["RCPT"] = "550 5.1.1 no such box"
    task = asyncio.create_task(mailer.close() if step == "QUIT" else mailer.send(LETTER))
    async with asyncio.timeout(5):
        await waits.wait()
    assert client.is_connected

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (client.is_connected, carrier._idle) == (False, [])


async def test_many_letters_go_at_once_and_others_need_not_wait_for_them(settings, server, monkeypatch):
    greeted = greeting(server, monkeypatch)
    server.pause = 0.3
    mailer = Mailer(settings.model_copy(update={"smtp_pool_size": 4}))
    many = [asyncio.create_task(mailer.send(replace(LETTER, to=f"{n}@example.com"), bulk=True)) for n in range(9)]
    await asyncio.sleep(0.1)
    await mailer.send(LETTER)
    assert sum(task.done() for task in many) <= 3
    await asyncio.gather(*many)
    await mailer.close()
    assert len(server.messages) == 10
    assert len(greeted) == 4


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_a_refusal_of_one_letter_costs_no_connection(settings, server, monkeypatch, step):
    greeted = greeting(server, monkeypatch)
    mailer = Mailer(settings)
    server.answers[step] = "550 5.1.1 no such box"
    with pytest.raises(Undeliverable):
        await mailer.send(LETTER)
    server.answers.clear()
    await mailer.send(LETTER)
    await mailer.close()
    assert server.envelopes[-1].rcpt_tos == ["customer@example.com"]
    assert len(greeted) == 1


async def test_a_server_that_takes_so_many_over_one_connection_gets_another(settings, server, monkeypatch):
    greeted = greeting(server, monkeypatch)

    async def few(_server, session, envelope, address, _options):
        session.count = getattr(session, "count", 0) + 1
        if session.count > 2:
            return "421 4.7.0 Too many messages"
        envelope.mail_from = address
        return "250 OK"

    monkeypatch.setattr(server, "handle_MAIL", few)
    mailer = Mailer(settings)
    for _ in range(5):
        await mailer.send(LETTER)
    await mailer.close()
    assert (len(server.messages), len(greeted)) == (5, 3)


async def test_long_headers_and_lines_arrive_whole(settings, server):
    link = f"<https://desk.example/unsubscribe/{'x' * 600}>"
    ids = " ".join(f"<{number:040}@example.com>" for number in range(40))
    text = f"{'word ' * 400}\n.\nFrom here = there\ttab \n--{BOUNDARY}--\n\u00fc\U0001f642\n"
    headers = {"List-Unsubscribe": link, "References": ids}
    await send(settings, replace(LETTER, headers=headers, text=text, subject="Größe " * 30))

    (message,) = server.messages
    assert message["Subject"] == "Größe " * 30
    assert max(map(len, re.findall(rb"=\?utf-8\?\S+", server.envelopes[0].original_content))) <= 75
    assert message["List-Unsubscribe"] == link
    assert message["References"].split() == ids.split()
    plain, _ = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == text
    assert max(map(len, server.envelopes[0].original_content.split(b"\r\n"))) < 998


async def test_what_looks_encoded_is_read_as_it_was_written(settings, server):
    """Else a subject could say in people's mail what nobody sees anywhere else."""
    said = "[#1] =?utf-8?q?Your_password?= =?utf-8?b?4oCuaGVyZQ==?="
    await send(settings, replace(LETTER, subject=said, to_name="=?utf-8?q?Eve?="))

    (message,) = server.messages
    assert (message["Subject"], message["To"].addresses[0].display_name) == (said, "=?utf-8?q?Eve?=")


@pytest.mark.parametrize("name", ["Александра Константиновна Преображенская", "😀" * 200, "é" + "a" * 150, "Ő Ű"])
def test_a_name_beyond_ascii_is_of_words_that_are_short_enough(name):
    """Longer ones than 75 characters are not to be decoded (RFC 2047, 2), nor lines of more than 998 to be taken."""
    letter = replace(LETTER, to_name=name)
    text = letters.written(Address(name, addr_spec="desk@example.com"), letter)
    head = text.partition(b"\r\n\r\n")[0]
    assert max(map(len, re.findall(rb"=\?\S+\?=", head))) <= 75
    assert max(map(len, head.split(b"\r\n"))) < 100
    read = email.message_from_bytes(text)
    for header, address in (("From", "desk@example.com"), ("To", letter.to)):
        assert str(make_header(decode_header(read[header]))) == f"{name} <{address}>"


@pytest.mark.parametrize("name", ["Zoë", 'Carla "the" Customer', None])
async def test_addresses_beyond_ascii_are_written_to(settings, server, name):
    """Their domains are known to all servers in ASCII, names before them to those that know SMTPUTF8."""
    await send(settings, replace(LETTER, to="customer@exämple.de", to_name=name))
    beyond = replace(LETTER, to="käufer@exämple.de", to_name=name)
    with pytest.raises(Undeliverable):
        await send(settings, beyond)
    async with listening(server, enable_SMTPUTF8=True) as url:
        await send(settings.model_copy(update={"smtp_url": url}), beyond)
    with pytest.raises(Undeliverable, match="no such domain"):
        await send(settings, replace(LETTER, to="a@ä..de"))

    sent = ["customer@xn--exmple-cua.de", "käufer@exämple.de"]
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [[address] for address in sent]
    for message, address in zip(server.messages, sent, strict=True):
        (to,) = message["To"].addresses
        assert to.addr_spec.encode("utf-8", "surrogateescape").decode() == address
        assert to.display_name == (name or "")


async def test_no_server_no_answer_and_no_setting_mean_later(settings, server, monkeypatch):
    monkeypatch.setattr(smtp, "SEND_SECONDS", 0.2)
    server.pause = 1
    with pytest.raises(Later):
        await send(settings, LETTER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken, but nobody listens
        unheard = f"smtp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Later) as refused:
            await send(settings.model_copy(update={"smtp_url": unheard}), LETTER)
        assert told(refused.value).startswith("Away: ConnectionRefusedError: [Errno 111]")  # what the log says
    with pytest.raises(Later, match="not set"):
        await send(settings.model_copy(update={"smtp_url": None}), LETTER)
    with pytest.raises(Later, match="MAIL_FROM"):
        await send(settings.model_copy(update={"mail_from": "nobody"}), LETTER)


@pytest.fixture
async def two(settings, tmp_path):
    """Two servers, the second of which is the usual one, and a mailer for both."""
    first = Server()
    async with listening(first) as url:
        mailer = Mailer(settings.model_copy(update={"smtp_url": f"{url} {settings.smtp_url}"}))
        yield first, mailer
        await mailer.close()


async def test_of_several_servers_the_first_that_takes_a_letter_has_it(server, two):
    first, mailer = two
    await mailer.send(LETTER)
    assert (len(first.messages), len(server.messages)) == (1, 0)

    first.answers["RCPT"] = "451 4.3.0 busy"  # it says so of this letter, and is asked for the next all the same
    await mailer.send(LETTER)
    assert (len(first.messages), len(server.messages)) == (1, 1)
    first.answers.clear()
    await mailer.send(LETTER)
    assert (len(first.messages), len(server.messages)) == (2, 1)

    first.answers["RCPT"] = "550 5.1.1 no such box"
    with pytest.raises(Undeliverable):
        await mailer.send(LETTER)
    assert len(server.messages) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
@pytest.mark.parametrize("said", ["530 5.7.0 Authentication required", "530 5.7.0 Must issue a STARTTLS command first"])
async def test_a_server_that_wants_us_to_sign_in_gives_no_letter_up(server, two, step, said):
    """Nobody is to lose mail by a password that somebody forgot to set."""
    first, mailer = two
    first.answers[step] = said
    await mailer.send(replace(LETTER, reports_to="bounce+one@desk.example"))
    assert (len(first.messages), len(server.messages)) == (0, 1)

    server.answers[step] = said
    with pytest.raises(Later, match="530"):
        await mailer.send(LETTER)


async def test_a_server_that_is_away_is_the_last_to_be_asked_for_a_while(server, settings, monkeypatch):
    asked = []
    true = smtp.connected

    async def connected(url, seconds):
        asked.append(url.port)
        return await true(url, seconds)

    monkeypatch.setattr(smtp, "connected", connected)
    here = int(settings.smtp_url.rpartition(":")[2])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken, but nobody listens
        there = free.getsockname()[1]
        mailer = Mailer(settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{there} {settings.smtp_url}"}))
        await mailer.send(LETTER)
        assert asked == [there, here]
        await mailer.send(LETTER)
        assert asked == [there, here]  # one connection for both letters

        server.answers["RCPT"] = "451 4.3.0 busy"
        with pytest.raises(Later, match="451"):
            await mailer.send(LETTER)
        assert asked == [there, here, there]
        server.answers.clear()
        monkeypatch.setattr(mail, "REST_SECONDS", 0)
        await mailer.send(LETTER)
        assert asked == [there, here, there, there]
        await mailer.close()
    assert len(server.messages) == 3


async def test_one_server_alone_is_neither_told_of_as_away_nor_as_back(settings, server, monkeypatch):
    real, away = smtp.connected, [True]

    async def connected(url, seconds):
        if away.pop():
            raise ConnectionRefusedError
        return await real(url, seconds)

    monkeypatch.setattr(smtp, "connected", connected)
    mailer = Mailer(settings)
    with capture_logs() as told:
        with pytest.raises(Later):
            await mailer.send(LETTER)
        away.append(False)
        await mailer.send(LETTER)
    await mailer.close()
    assert (len(server.messages), told) == (1, [])


async def test_what_a_server_cannot_do_is_asked_for_again(settings):
    starttls = settings.smtp_url.replace("smtp://", "smtp+starttls://")
    with pytest.raises(Later, match="STARTTLS"):
        await send(settings.model_copy(update={"smtp_url": starttls}), LETTER)
    password = settings.smtp_url.replace("smtp://", "smtp://user:p%40ss@")
    with pytest.raises(Later):
        await send(settings.model_copy(update={"smtp_url": password}), LETTER)


async def test_ses_without_its_package_says_so(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(Later, match="needs the package boto3"):
        await send(settings.model_copy(update={"smtp_url": "ses://eu-central-1"}), LETTER)


async def nobody(_incoming):
    raise AssertionError("Nothing here is for the desk.")


async def test_the_catcher_keeps_what_is_sent(settings, tmp_path):
    folder = tmp_path / "mail"
    async with listening(Door(nobody, lambda _: False, Catcher(folder).keep)) as url:
        for number in range(3):
            letter = Letter("a@example.com", None, f"Hello {number}", "Text", None, f"<{number}@example.com>")
            await send(settings.model_copy(update={"smtp_url": url}), letter)

    kept = [email.message_from_bytes(path.read_bytes()) for path in sorted(folder.iterdir())]
    assert [message["Subject"] for message in kept] == ["Hello 0", "Hello 1", "Hello 2"]


def test_the_catcher_lets_go_of_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr(mailcatcher, "MOST_MESSAGES", 2)
    (tmp_path / "half.part").write_bytes(b"of one that was killed")
    catcher = Catcher(tmp_path)

    kept = [catcher.keep(f"{number}".encode()) for number in range(3)]

    assert sorted(tmp_path.iterdir()) == kept[1:]


def test_the_catcher_ends_when_it_is_told_to(settings, tmp_path):  # they are in the environment
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = Path(mailcatcher.__file__).parent.parent
    command = [sys.executable, "desk.py", "catch-mail"]
    environment = os.environ | {"PYTHONWARNINGS": "error", "SMTP_PORT": str(port), "DATA_DIR": str(tmp_path)}
    # It connects to these only when an answer comes in.
    environment |= {"DESKWIRE_EMBEDDED": "1", "SECRET_KEY": "x" * 32, "REDIS_URL": "redis://127.0.0.1:1"}
    environment |= {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    with subprocess.Popen(command, cwd=root, env=environment) as catcher:
        try:
            for _ in range(600):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            else:
                raise AssertionError("It takes no mail.")
        finally:
            catcher.send_signal(signal.SIGTERM)
        assert catcher.wait(10) == 0
