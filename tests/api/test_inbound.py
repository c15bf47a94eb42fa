"""Mail that comes in over a socket: whose it is, what of it is taken, and what becomes of the rest."""

import asyncio
import datetime as dt
import smtplib
import time
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from functools import partial
from types import SimpleNamespace
from urllib.parse import quote
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from domain import attempts, inbound, messages
from domain.inbound import addresses, answers, arrivals, reading, strays
from domain.refusals import RateLimited
from infra import jobs, mail_door
from infra.mail_door import MOST_BYTES, Door, Incoming
from infra.postgres import Unavailable
from infra.room import Room
from infra.signing import Signer
from models import Role, SignInLink

ADD = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"


@pytest.fixture
async def door(desk):
    """Where mail comes in, as `desk receive` has it; with what became of handing one in."""
    kept = []
    opened = []

    async def open_(protocol="smtp", **options):
        settings = desk.settings
        is_ours = partial(addresses.is_named if "keep" in options else addresses.is_ours, settings)
        here = Door(partial(inbound.take, desk), is_ours, **options)
        opened.append(await mail_door.listen("127.0.0.1", 0, here, protocol))
        return opened[-1].sockets[0].getsockname()[1]

    yield SimpleNamespace(open=open_, kept=kept)
    for server in opened:
        server.close()


@pytest.fixture
async def port(door):
    return await door.open()


@pytest.fixture
def send(port):
    """Sends a mail as a mail server does; gives its last answer."""

    async def sent(message, to, sender=None, at=None):
        content = message if isinstance(message, bytes) else message.as_bytes()
        sender = sender if sender is not None else message["From"]

        def talk():
            with smtplib.SMTP("127.0.0.1", at or port, timeout=30) as client:
                try:
                    client.sendmail(sender, [to], content)
                except smtplib.SMTPRecipientsRefused as refused:
                    return next(iter(refused.recipients.values()))[0]
                except smtplib.SMTPResponseException as refused:
                    return refused.smtp_code
                return 250

        return await asyncio.to_thread(talk)

    return sent


@pytest.fixture
async def reply_to(work, mailbox, ticket, customer):
    """Where the customer's answer to the mail that confirms the ticket goes."""
    await work.run()
    (letter,) = mailbox.to(customer.email)
    return letter["Reply-To"]


def mail(sender, text="It still burns.", subject="Re: printer", html=None, **headers):
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    message["Message-ID"] = headers.pop("message_id", f"<{abs(hash((sender, text, subject)))}@mail.example>")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    if text is not None:
        message.set_content(text)
    if html is not None and text is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message


async def outcomes(database):
    return [row["outcome"] for row in await database.rows("SELECT outcome FROM inbound_mails ORDER BY received_at")]


async def bodies(database):
    return [row["body"] for row in await database.rows("SELECT body FROM comments ORDER BY created_at, id")]


async def test_an_answer_becomes_a_comment(send, reply_to, customer, database, api, ticket):
    local, _, domain = reply_to.partition("@")
    assert len(local) <= 64
    assert domain == "example.com"

    text = "It **still** burns.\n\nOn Mon, 23 Nov 2026 at 10:00, Deskwire <support@example.com> wrote:\n> We have it.\n"
    assert await send(mail(f"Carla <{customer.email.upper()}>", text), reply_to) == 250

    rows = await database.rows("SELECT body, body_html, author_id, internal, channel FROM comments")
    assert rows == [
        {
            "body": "It **still** burns.",
            "body_html": "<p>It <strong>still</strong> burns.</p>",
            "author_id": customer.id,
            "internal": False,
            "channel": "EMAIL",
        }
    ]
    (row,) = await database.rows("SELECT outcome, person_id, ticket_id FROM inbound_mails")
    assert row == {"outcome": "COMMENTED", "person_id": customer.id, "ticket_id": ticket.uuid}


async def test_a_sender_is_known_by_the_domain_in_ascii_too(send, reply_to, customer, database):
    """As programs write it for servers that know nothing else."""
    await database.rows("UPDATE people SET email = 'carla@exämple.de' WHERE id = :id", id=customer.id)

    await send(mail("Carla <Carla@xn--exmple-cua.de>"), reply_to)

    assert await outcomes(database) == ["COMMENTED"]


async def test_a_sender_is_known_by_the_domain_beyond_ascii(send, reply_to, customer, database):
    await database.rows("UPDATE people SET email = 'carla@exämple.de' WHERE id = :id", id=customer.id)

    content = "From: Carla <Carla@Exämple.de>\r\nMessage-ID: <1@example.de>\r\n\r\nThanks."
    await send(content.encode(), reply_to, sender="carla@xn--exmple-cua.de")

    assert await outcomes(database) == ["COMMENTED"]


@pytest.mark.parametrize("domain", ["\uff45xample.com", "example\u3002com", "(evil.)example.com"])
async def test_nobody_writes_as_somebody_of_a_domain_that_looks_the_same(send, reply_to, customer, database, domain):
    """A mail server that asks whether the domain lets them finds none of its name."""
    assert customer.email.endswith("@example.com")
    sender = customer.email.replace("example.com", domain)

    content = f"From: {sender}\r\nMessage-ID: <1@evil.example>\r\n\r\nClose it."
    await send(content.encode(), reply_to, sender="mallory@evil.example")

    assert await outcomes(database) == ["WAITING"]
    assert {row["author_id"] for row in await database.rows("SELECT author_id FROM comments")} == {None}


async def test_an_answer_opens_what_was_resolved(send, reply_to, customer, agent, database, api, ticket):
    resolve = "mutation($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"
    await api(agent, resolve, input={"ticketId": ticket.gid})

    await send(mail(customer.email), reply_to)

    assert await database.rows("SELECT status FROM tickets") == [{"status": "OPEN"}]
    assert await database.rows("SELECT state FROM resolutions") == [{"state": "REJECTED"}]


async def test_each_mail_counts_once_even_at_once(send, reply_to, customer, database):
    one = mail(customer.email)
    assert await asyncio.gather(*(send(one, reply_to) for _ in range(4))) == [250] * 4
    again = b"Received: from elsewhere\r\n" + one.as_bytes()
    assert await send(again, reply_to, customer.email) == 250

    assert await outcomes(database) == ["COMMENTED"]
    assert len(await bodies(database)) == 1
    assert await database.rows("SELECT 1 FROM events WHERE kind = 'CommentAdded'") == [{"?column?": 1}]


async def test_files_come_along_within_the_limits(api, send, reply_to, ticket, customer, agent, database):
    message = mail(customer.email, "See the picture.")
    message.add_attachment(b"\x89PNG\r\n\x1a\n" + b"x" * 50, maintype="image", subtype="png", filename="cat.png")
    message.add_attachment(
        b"MZ\x90\x00" + b"\0" * 500, maintype="application", subtype="x-msdownload", filename="a.exe"
    )

    assert await send(message, reply_to) == 250

    rows = await database.rows("SELECT filename, content_type, size_bytes, internal, uploaded_by_id FROM attachments")
    assert rows == [
        {
            "filename": "cat.png",
            "content_type": "image/png",
            "size_bytes": 58,
            "internal": False,
            "uploaded_by_id": customer.id,
        }
    ]
    assert await bodies(database) == ["See the picture.\n\n(Not taken: a.exe)"]
    read = (
        """query ($id: ID!) { ticket(id: $id) { attachments { nodes { uploadedBy { name } comment { channel } } } } }"""
    )
    for viewer in (customer, agent):
        found = (await api(viewer, read, id=ticket.gid))["ticket"]["attachments"]["nodes"]
        assert found == [{"uploadedBy": None, "comment": {"channel": "EMAIL"}}]


async def test_words_that_are_too_many_are_a_file_as_well(send, reply_to, customer, database, desk):
    lines = [f"Line {number} of the log says näy." for number in range(1000)]

    assert await send(mail(customer.email, "\n".join(lines)), reply_to) == 250

    (body,) = await bodies(database)
    assert len(body) == 20_000
    assert body.startswith("Line 0 of the log")
    assert body.endswith(" …")
    (row,) = await database.rows("SELECT key, filename, content_type FROM attachments")
    assert (row["filename"], row["content_type"]) == ("message.txt", "text/plain")
    _, parts = await desk.files.open(row["key"])
    assert b"".join([part async for part in parts]).decode().split() == " ".join(lines).split()
    assert await database.rows("SELECT 1 FROM uploads") == []


@pytest.mark.parametrize(
    ("headers", "sender", "outcome"),
    [
        ({"Auto_Submitted": "auto-replied"}, None, "IGNORED"),
        ({"Precedence": "bulk"}, None, "IGNORED"),
        ({"X_Autoreply": "yes"}, None, "IGNORED"),
        ({"X_Mail_Autoreply": "yes"}, None, "IGNORED"),
        ({"X_Apple_Action": "VACATION"}, None, "IGNORED"),
        ({"List_Id": "<list.example.com>"}, None, "IGNORED"),
        ({}, "", "IGNORED"),
    ],
)
async def test_what_a_machine_wrote_changes_nothing(
    send, reply_to, customer, agent, database, api, ticket, headers, sender, outcome
):
    resolve = "mutation($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"
    await api(agent, resolve, input={"ticketId": ticket.gid})
    before = await database.counts()

    assert await send(mail(customer.email, **headers), reply_to, sender) == 250

    assert await outcomes(database) == [outcome]
    assert await database.counts() == before | {"inbound_mails": 1}
    assert await database.rows("SELECT status FROM tickets") == [{"status": "RESOLVED"}]


@pytest.mark.parametrize(
    "headers",
    [
        {"Feedback_ID": "1.eu-west-1.ABC=:AmazonSES"},
        {"X_Auto_Response_Suppress": "All"},
        {"Auto_Submitted": "no"},
        {"X_Apple_Action": "MOVE_TO_FOLDER/INBOX"},
    ],
)
async def test_what_services_add_to_the_mail_of_people_does_not_make_it_a_machines(
    send, reply_to, customer, database, headers
):
    assert await send(mail(customer.email, **headers), reply_to) == 250

    assert await outcomes(database) == ["COMMENTED"]
    assert await bodies(database) == ["It still burns."]


async def test_a_report_of_what_was_not_delivered_is_a_bounce(send, reply_to, customer, database):
    report = (
        b"From: MAILER-DAEMON@mail.example\r\nMessage-ID: <b@mail.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nNobody there.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; mail.example\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n--x--\r\n"
    )
    before = await database.counts()

    assert await send(report, reply_to, "") == 250

    assert await outcomes(database) == ["BOUNCED"]
    assert await database.counts() == before | {"inbound_mails": 1}


def bounce(message_id, action="failed", head="text/rfc822-headers", reply_to="x@example.com"):
    return (
        f"From: MAILER-DAEMON@mail.example\r\nMessage-ID: <{action}@mail.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\n'
        "--x\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n"
        "--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n\r\n"
        f"Final-Recipient: rfc822; c@example.com\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 No such\r\n user here\r\n\r\n"
        f"--x\r\nContent-Type: {head}\r\n\r\nSubject: Yours\r\nMessage-ID: {message_id}\r\n"
        f"Reply-To: {reply_to}\r\n\r\n--x--\r\n"
    ).encode()


SENT = "SELECT status, last_error FROM messages WHERE kind = 'TICKET_RECEIVED'"
ARRIVED = [{"status": "SENT", "last_error": None}]
FAILED = [{"status": "FAILED", "last_error": "5.1.1 smtp; 550 5.1.1 No such user here"}]
OTHERS = "SELECT status FROM messages WHERE kind <> 'TICKET_RECEIVED'"


@pytest.fixture
async def returns(reply_to, desk, database):
    """The sender of the envelope of the mail that confirms the ticket."""
    (message,) = await database.rows("SELECT id FROM messages WHERE kind = 'TICKET_RECEIVED'")
    return addresses.sealed(desk.settings, desk.signer, addresses.BOUNCE, message["id"])


async def test_what_its_envelope_says_names_the_mail_that_failed(
    send, returns, mailbox, customer, agent, database, api, ticket, work
):
    """Whatever the report returns, and whoever wrote it."""
    assert len(returns.partition("@")[0]) <= 64
    assert mailbox.to(customer.email)[0].returns == returns
    await api(agent, ADD, input={"ticketId": ticket.gid, "body": "We look at it."})
    await work.run()
    others = await database.rows(OTHERS)
    _, newer = mailbox.to(customer.email)
    before = await database.counts()

    of_another = bounce(newer["Message-ID"], reply_to=newer["Reply-To"])
    for number in range(2):
        assert await send(of_another.replace(b"<failed@", b"<%d@" % number), returns.upper(), "") == 250

    assert await database.rows(SENT) == FAILED
    assert await database.rows(OTHERS) == others
    assert {row["status"] for row in others} == {"SENT"}
    assert await outcomes(database) == ["BOUNCED", "BOUNCED"]
    assert await database.counts() == before | {"inbound_mails": 2}


async def test_an_agent_sees_that_a_comment_did_not_arrive(
    send, reply_to, mailbox, customer, agent, database, api, ticket, work
):
    await api(agent, ADD, input={"ticketId": ticket.gid, "body": "We look at it."})
    await work.run()
    _, letter = mailbox.to(customer.email)
    read = """query($id: ID!) { ticket(id: $id) { events(first: 50) { nodes {
        ... on MessageSent { recipient { id } messageKind deliveryStatus } } } } }"""
    for status in ("SENT", "FAILED"):
        sent = (await api(agent, read, id=ticket.gid))["ticket"]["events"]["nodes"]
        told = {"recipient": {"id": customer.gid}, "messageKind": "COMMENT_ADDED", "deliveryStatus": status}
        assert told in sent
        assert await send(bounce("<lost@example.com>"), letter.returns, "") == 250


async def test_who_has_no_mail_of_ours_can_not_say_that_it_failed(
    send, returns, reply_to, mailbox, customer, database, ticket
):
    """Guessed, altered, of another purpose, for another domain: all are answered as the right one is."""
    local, _, domain = returns.partition("@")
    message_id = mailbox.to(customer.email)[0]["Message-ID"]
    before = await database.counts()
    forged = [
        f"{local[:-1]}{'a' if local[-1] != 'a' else 'q'}@{domain}",
        f"bounce+{'a' * 45}@{domain}",
        f"bounce+x@{domain}",
        f"bounce+@{domain}",
        f"{reply_to.replace('reply+', 'bounce+')}",
        f"{returns.replace('bounce+', 'reply+')}",
        f"support@{domain}",
    ]
    for number, address in enumerate(forged):
        content = bounce(message_id).replace(b"<failed@", b"<%d@" % number)
        assert await send(content, address, "") == 250
    assert await send(bounce(message_id), f"{local}@elsewhere.example", "") == 550

    assert await database.rows(SENT) == ARRIVED
    assert set(await outcomes(database)) == {"BOUNCED"}
    assert await database.counts() == before | {"inbound_mails": before["inbound_mails"] + len(forged)}


@pytest.mark.parametrize(
    "came",
    [
        bounce("<x@example.com>", "delayed"),
        bounce("<x@example.com>", "relayed"),
        mail("customer@example.com", "I am away.", Auto_Submitted="auto-replied"),
        mail("MAILER-DAEMON@mail.example", "It went wrong, in words of our own."),
        mail("customer@example.com", "It still burns."),
        b"\0\xff",
    ],
    ids=["delayed", "relayed", "away", "no report", "written by hand", "broken"],
)
async def test_nothing_but_a_failure_changes_anything_there(
    send, returns, customer, agent, database, api, ticket, came
):
    resolve = "mutation($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"
    await api(agent, resolve, input={"ticketId": ticket.gid})
    content = came if isinstance(came, bytes) else came.as_bytes()
    before = await database.counts()

    assert await send(content.replace(b"customer@example.com", customer.email.encode()), returns, "") == 250

    assert await database.rows(SENT) == ARRIVED
    assert await database.counts() == before | {"inbound_mails": 1}
    (row,) = await database.rows("SELECT outcome, reason FROM inbound_mails")
    told = "Not delivered yet: 5.1.1 smtp; 550 5.1.1 No such user here"
    assert row == {"outcome": "IGNORED", "reason": told if b"delayed" in content else "It reports no failure."}
    assert await database.rows("SELECT status FROM tickets") == [{"status": "RESOLVED"}]


async def test_a_report_for_people_alone_says_of_whom_it_failed(send, returns, database):
    report = "From: MAILER-DAEMON@mail.example\r\nX-Failed-Recipients: c@example.com\r\n\r\nIt did not arrive.\r\n"

    assert await send(report.encode(), returns, "") == 250

    assert await outcomes(database) == ["BOUNCED"]
    assert await database.rows(SENT) == [{"status": "FAILED", "last_error": "No reason is given."}]


@pytest.mark.parametrize("head", ["text/rfc822-headers", "message/rfc822"])
async def test_a_mail_that_was_sent_by_a_server_under_its_own_sender_is_known_by_its_seal(
    send, reply_to, mailbox, customer, database, head
):
    message_id = mailbox.to(customer.email)[0]["Message-ID"]
    before = await database.counts()
    for action, held in (("delayed", reply_to), ("failed", "reply+aa@example.com"), ("failed", "")):
        content = bounce(message_id, action, head, held).replace(b"Subject: Yours", f"X: {len(held)}".encode())
        assert await send(content, "support@example.com", "") == 250
    assert await database.rows(SENT) == ARRIVED

    for sender in ("", "mailer-daemon@mail.example"):
        content = bounce("<its@own.example>", head=head, reply_to=f'"A, B" <{reply_to}>')
        content = content.replace(b"<failed@", f"<{len(sender)}@".encode())
        assert await send(content, "support@example.com", sender) == 250
    assert await database.rows(SENT) == FAILED
    assert await database.counts() == before | {"inbound_mails": 5}


async def test_without_a_domain_for_answers_the_message_id_is_all_there_is(
    send, reply_to, mailbox, customer, desk, database, monkeypatch
):
    message_id = mailbox.to(customer.email)[0]["Message-ID"]
    plain = desk.settings.model_copy(update={"reply_domain": None})
    monkeypatch.setattr(type(desk), "settings", property(lambda _: plain))
    assert addresses.sealed(plain, desk.signer, addresses.BOUNCE, customer.id) is None

    assert await send(bounce("<somebody@else.example>"), "support@example.com", "") == 250
    assert await database.rows(SENT) == ARRIVED
    content = bounce(message_id, reply_to="").replace(b"<failed@", b"<2@")
    assert await send(content, "support@example.com", "") == 250
    assert await database.rows(SENT) == FAILED


async def test_our_own_mail_that_comes_back_goes_no_further(send, reply_to, mailbox, customer, database):
    (letter,) = mailbox.to(customer.email)

    assert await send(letter.as_bytes(), reply_to, customer.email) == 250

    assert await outcomes(database) == ["IGNORED"]
    assert await bodies(database) == []


async def test_whoever_has_the_address_alone_can_not_write_as_its_owner(
    send, reply_to, stranger, customer, agent, database, api, ticket, desk
):
    assert await send(mail(stranger.email, "Let me <b>in</b>."), reply_to) == 250
    assert await send(mail("who@elsewhere.example", "Me too."), reply_to) == 250

    assert await outcomes(database) == ["WAITING", "WAITING"]
    rows = await database.rows("SELECT body, internal, author_id FROM comments ORDER BY created_at, id")
    assert [(row["internal"], row["author_id"]) for row in rows] == [(True, None)] * 2
    assert stranger.email in rows[0]["body"]
    read = "query($id: ID!) { ticket(id: $id) { comments { nodes { body } } } }"
    assert (await api(customer, read, id=ticket.gid))["ticket"]["comments"]["nodes"] == []
    assert len((await api(agent, read, id=ticket.gid))["ticket"]["comments"]["nodes"]) == 2
    (row,) = await database.rows("SELECT file_key FROM inbound_mails WHERE sender = 'who@elsewhere.example'")
    _, chunks = await desk.files.open(row["file_key"])
    assert b"Me too." in b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize(("mine", "outcome"), [(True, "COMMENTED"), (False, "WAITING")])
@pytest.mark.parametrize("times", [1, 7])
async def test_a_mail_goes_on_where_a_merged_ticket_does(
    send, reply_to, submit, stranger, customer, agent, problem, database, api, ticket, times, mine, outcome
):
    into, merge = ticket.gid, "mutation($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
    for _ in range(times):
        gone, into = into, (await submit(customer, problem, subject="Same fire"))["id"]
        await api(agent, merge, input={"intoTicketId": into, "ticketIds": [gone]})

    assert await send(mail((customer if mine else stranger).email, "Let me in."), reply_to) == 250

    assert await outcomes(database) == [outcome]
    assert [f"tkt_{row['ticket_id']}" for row in await database.rows("SELECT ticket_id FROM comments")] == [into]


@pytest.mark.parametrize(("mine", "outcome"), [(True, "COMMENTED"), (False, "WAITING")])
async def test_so_it_is_when_the_ticket_is_merged_while_the_mail_comes_in(
    desk, halted, reply_to, submit, stranger, customer, agent, problem, database, api, ticket, mine, outcome
):
    into = (await submit(customer, problem, subject="Same fire"))["id"]
    merge = "mutation($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
    sender = (customer if mine else stranger).email
    came = Incoming(mail(sender).as_bytes(), sender, reply_to)
    taken = await halted(inbound.take(desk, came), "FROM tickets")
    await api(agent, merge, input={"intoTicketId": into, "ticketIds": [ticket.gid]})

    await taken()

    assert await outcomes(database) == [outcome]
    (row,) = await database.rows("SELECT ticket_id, internal FROM comments")
    assert (f"tkt_{row['ticket_id']}", row["internal"]) == (into, not mine)


async def test_who_has_the_address_of_a_ticket_does_not_fill_it(send, reply_to, stranger, database, monkeypatch):
    monkeypatch.setattr(attempts, "STRAY_MAIL_BY_TICKET", replace(attempts.STRAY_MAIL_BY_TICKET, most=2))
    for number in range(4):
        assert await send(mail(stranger.email, f"Let me in. {number}"), reply_to) == 250

    assert await outcomes(database) == ["WAITING"] * 4
    rows = await database.rows("SELECT file_key FROM inbound_mails")
    assert len({row["file_key"] for row in rows}) == 4
    assert await database.rows("SELECT count(*) FROM comments") == [{"count": 2}]


@pytest.fixture
def work_due(desk, database):
    """Performs what is due, until nothing is."""

    async def work():
        due = "SELECT id FROM jobs WHERE state = 'QUEUED' AND due_at <= now() ORDER BY id"
        while rows := await database.rows(due):
            for kind in ("Announce", "Count", "SendMessage"):
                await jobs.perform_together(desk, kind)
            for row in rows:
                (state,) = await database.rows("SELECT state FROM jobs WHERE id = :id", id=row["id"])
                assert state == {"state": "DONE"} or await jobs.perform(desk, row["id"])

    return work


async def test_programs_that_answer_each_other_are_slowed_down(
    send, reply_to, customer, agent, api, ticket, mailbox, database, work_due
):
    await database.rows("UPDATE tickets SET assignee_id = :id", id=agent.id)
    before = len(mailbox.to(agent.email))
    for number in range(7):
        assert await send(mail(customer.email, f"I am away. {number}"), reply_to) == 250
    await work_due()
    assert len(mailbox.to(agent.email)) - before == 5
    held = "SELECT not_before - now() AS wait FROM messages WHERE status = 'QUEUED' AND recipient_id = :id"
    rows = await database.rows(held, id=agent.id)
    assert [55 < row["wait"].total_seconds() / 60 <= 60 for row in rows] == [True, True]
    other = {"ticketId": ticket.gid, "body": "This was written here."}
    assert (await api(customer, ADD, input=other))["addComment"]["__typename"] == "AddCommentSuccess"
    await work_due()
    assert len(mailbox.to(agent.email)) - before == 6

    await database.rows("UPDATE messages SET sent_at = sent_at - interval '1 hour', not_before = now()")
    await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
    await work_due()
    assert len(mailbox.to(agent.email)) - before == 8


async def test_whoever_is_named_as_the_sender_of_many_mails_is_not_told_of_each(
    send, database, other, unknown, work, mailbox
):
    """Else somebody's mailbox is filled at our expense, and two programs open tickets for each other without end."""
    unknown("ticket")
    for part in range(2):
        for number in range(4):
            assert await send(mail("victim@elsewhere.example", f"{part} {number}"), "support@example.com") == 250
        await work.run()
    assert await send(mail("new@elsewhere.example", "Mine."), "support@example.com") == 250
    await work.run()

    assert await outcomes(database) == ["SUBMITTED"] * 9
    assert len(mailbox.to("victim@elsewhere.example")) == 5
    assert len(mailbox.to("new@elsewhere.example")) == 1
    told = await database.rows("SELECT status, count(*) FROM messages GROUP BY 1 ORDER BY 1")
    assert told == [{"status": "SENT", "count": 6}, {"status": "SKIPPED", "count": 3}]

    await database.rows("UPDATE messages SET sent_at = sent_at - interval '1 hour'")
    await send(mail("victim@elsewhere.example", "Later."), "support@example.com")
    await work.run()
    assert len(mailbox.to("victim@elsewhere.example")) == 6


async def test_by_lmtp_each_address_has_its_answer(door, reply_to, customer, database, desk, monkeypatch):
    taken = inbound.take

    async def fails_for_others(desk, came):
        if came.recipient != reply_to:
            raise RuntimeError
        await taken(desk, came)

    monkeypatch.setattr(inbound, "take", fails_for_others)
    port = await door.open(protocol="lmtp")

    def talk():
        with smtplib.LMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            client.mail(customer.email)
            accepted = [client.rcpt(to)[0] for to in ("support@example.com", reply_to, "nobody@else.example")]
            return accepted, client.data(mail(customer.email).as_bytes())[0], client.getreply()[0]

    assert await asyncio.to_thread(talk) == ([250, 250, 550], 451, 250)
    assert await bodies(database) == ["It still burns."]


async def test_an_answer_to_news_of_several_tickets_waits(send, reply_to, customer, database):
    await database.rows("UPDATE messages SET ticket_id = NULL WHERE kind = 'TICKET_RECEIVED'")
    assert await send(mail(customer.email), reply_to) == 250
    (row,) = await database.rows("SELECT outcome, reason, ticket_id FROM inbound_mails")
    assert row == {"outcome": "WAITING", "reason": "It answers news of several tickets.", "ticket_id": None}
    assert await bodies(database) == []


async def test_an_address_that_was_not_made_here_names_nothing(send, reply_to, customer, database, ticket):
    local, _, domain = reply_to.partition("@")
    forged = [
        f"{local[:-1]}{'a' if local[-1] != 'a' else 'q'}@{domain}",
        f"reply+{'a' * 45}@{domain}",
        f"reply+x@{domain}",
        f"support@{domain}",
    ]
    for number, address in enumerate(forged):
        assert await send(mail(customer.email, f"Number {number}", f"Re: [#{ticket.number}] It"), address) == 250

    assert await outcomes(database) == ["WAITING"] * 4
    assert await bodies(database) == []
    assert await send(mail(customer.email, "Hello"), "anyone@elsewhere.example") == 550


async def test_whose_ticket_it_is_no_more_waits_and_why_is_told(send, reply_to, customer, stranger, database, ticket):
    sql = "UPDATE tickets SET requester_id = :id WHERE id = :ticket"
    await database.rows(sql, id=stranger.id, ticket=ticket.uuid)

    assert await send(mail(customer.email, "Still me?"), reply_to) == 250

    assert await outcomes(database) == ["WAITING"]
    (comment,) = await database.rows("SELECT internal, body FROM comments")
    why = "The sender does not see the ticket any more."
    told = f"A mail from {customer.email} came in answer to this ticket, and was not added to it: {why}\n\n> Still me?"
    assert (comment["internal"], comment["body"]) == (True, told)


async def test_a_closed_ticket_takes_none_and_it_waits(send, reply_to, customer, database):
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")

    assert await send(mail(customer.email, "But why?"), reply_to) == 250

    assert await outcomes(database) == ["WAITING"]
    assert await database.rows("SELECT internal FROM comments") == [{"internal": True}]
    assert await database.rows("SELECT status FROM tickets") == [{"status": "CLOSED"}]


@pytest.fixture
def unknown(desk, monkeypatch):
    """Sets what becomes of mail that fits no ticket."""

    def set_(value):
        settings = desk.settings.model_copy(update={"inbound_unknown": value})
        monkeypatch.setattr(type(desk), "settings", property(lambda _: settings))

    return set_


TOLD = "SELECT status FROM messages WHERE kind = 'STATUS_CHANGED' ORDER BY id"
SENT_OF = """query($id: ID!) { ticket(id: $id) { events(first: 50) { nodes {
    ... on MessageSent { recipient { id } messageKind deliveryStatus } } } } }"""


@pytest.mark.parametrize("wanted", ["wait", "ignore"])
async def test_who_answers_a_closed_ticket_hears_that_it_takes_none(
    send, reply_to, customer, agent, ticket, database, mailbox, work, unknown, api, wanted
):
    unknown(wanted)
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    await database.rows("UPDATE people SET locale = 'de' WHERE id = :id", id=customer.id)
    one = mail(customer.email, "But why?")
    assert [await send(one, reply_to) for _ in range(2)] == [250, 250]
    assert await send(mail(customer.email, "And how?"), reply_to) == 250  # before any went
    await work.run()

    _, letter = mailbox.to(customer.email)
    assert letter["Subject"] == f"Re: [#{ticket.number}] Printer on fire"
    assert letter["Auto-Submitted"] == "auto-replied"
    assert letter["Reply-To"] is None
    assert letter["In-Reply-To"] == f"<ticket.{ticket.id}@example.com>"
    said = " ".join(letter.get_body(("plain",)).get_content().split())
    assert "Es ist geschlossen und nimmt keine Antworten mehr an" in said
    assert f"Dann reichen Sie ein neues Ticket ein und nennen Sie darin die Nummer #{ticket.number}." in said
    sent = (await api(agent, SENT_OF, id=ticket.gid))["ticket"]["events"]["nodes"]
    assert sent[-1 if wanted == "ignore" else -2] == {
        "recipient": {"id": customer.gid},
        "messageKind": "STATUS_CHANGED",
        "deliveryStatus": "SENT",
    }

    assert await send(mail(customer.email, "Still there?"), reply_to) == 250
    await work.run()
    assert len(mailbox.to(customer.email)) == 3


async def test_of_a_closed_ticket_nobody_hears_but_people_who_could_comment_on_it(
    send, reply_to, customer, stranger, agent, database, other, unknown
):
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    assert await send(mail(stranger.email, "Let me in."), reply_to) == 250
    assert await send(mail("who@elsewhere.example", "Me too."), reply_to) == 250
    assert await send(mail(customer.email, "I am away.", Auto_Submitted="auto-replied"), reply_to) == 250
    assert await send(mail(customer.email, "To nobody."), reply_to, "") == 250
    unknown("ticket")
    assert await send(mail(customer.email, "It burns anew."), reply_to) == 250
    unknown("wait")
    await database.rows("UPDATE tickets SET requester_id = :id", id=stranger.id)
    assert await send(mail(customer.email, "Whose is it?"), reply_to) == 250

    assert await outcomes(database) == ["WAITING", "WAITING", "IGNORED", "IGNORED", "SUBMITTED", "WAITING"]
    assert await database.rows(TOLD) == []


async def test_who_answers_a_closed_ticket_again_and_again_hears_it_a_few_times_an_hour(
    send, reply_to, customer, database, mailbox, work_due
):
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    for number in range(8):
        assert await send(mail(customer.email, f"But why? {number}"), reply_to) == 250
        await work_due()

    assert len(mailbox.to(customer.email)) == 5  # with the one that confirms the ticket
    assert [row["status"] for row in await database.rows(TOLD)].count("QUEUED") == 1


async def test_of_a_ticket_that_went_into_another_the_other_is_spoken_of(
    send, reply_to, customer, ticket, other, database, mailbox, work, unknown
):
    unknown("ticket")
    assert await send(mail(customer.email, "It smokes.", "Smoke"), "support@example.com") == 250
    unknown("wait")
    await work.run()
    into = "(SELECT id FROM tickets WHERE subject = 'Smoke')"
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    await database.rows(f"UPDATE tickets SET merged_into_id = {into} WHERE id = :id", id=ticket.uuid)
    assert await send(mail(customer.email, "But why?"), reply_to) == 250
    await work.run()

    assert mailbox.to(customer.email)[-1]["Subject"] == f"Re: [#{ticket.number + 1}] Smoke"
    noted = f"SELECT ticket_id = {into} AS there FROM comments WHERE internal"
    assert await database.rows(noted) == [{"there": True}]


async def test_a_ticket_that_is_open_again_is_not_said_to_be_closed(send, reply_to, customer, database, mailbox, work):
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    assert await send(mail(customer.email, "But why?"), reply_to) == 250
    await database.rows("UPDATE tickets SET status = 'OPEN', closed_at = NULL")
    await work.run()

    assert await database.rows(TOLD) == [{"status": "SKIPPED"}]
    assert len(mailbox.to(customer.email)) == 1


async def test_an_answer_to_a_closed_ticket_may_open_one_that_goes_on_from_there(
    send, reply_to, customer, agent, database, other, unknown, api, ticket
):
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    unknown("ticket")

    for _ in range(2):
        assert await send(mail(customer.email, "It burns anew."), reply_to) == 250

    assert await outcomes(database) == ["SUBMITTED"]
    asked = "query ($id: ID!) { ticket(id: $id) { status links { kind ticket { subject body status number } } } }"
    expected = {"subject": "Printer on fire", "body": "It burns anew.", "status": "OPEN", "number": ticket.number + 1}
    for viewer in (customer, agent):
        found = (await api(viewer, asked, id=ticket.gid))["ticket"]
        assert found == {"status": "CLOSED", "links": [{"kind": "RELATED", "ticket": expected}]}


async def test_an_answer_to_a_ticket_that_is_somebody_elses_by_now_begins_anew(
    send, reply_to, customer, stranger, database, other, unknown
):
    await database.rows("UPDATE tickets SET requester_id = :id, subject = 'Theirs alone'", id=stranger.id)
    unknown("ticket")

    assert await send(mail(customer.email, "It burns anew."), reply_to) == 250

    assert await outcomes(database) == ["SUBMITTED"]
    sql = "SELECT subject FROM tickets WHERE requester_id = :id"
    assert await database.rows(sql, id=customer.id) == [{"subject": "Re: printer"}]
    assert await database.rows("SELECT 1 FROM ticket_links") == []


async def test_what_fits_nothing_may_be_a_ticket_or_nothing(send, reply_to, customer, database, other, unknown):
    unknown("ticket")
    new = mail("New Person <new@elsewhere.example>", "My **screen** is dark.", "Dark screen")
    new.add_attachment(b"\x89PNG\r\n\x1a\n" + b"x" * 50, maintype="image", subtype="png", filename="dark.png")
    for _ in range(2):
        assert await send(new, "support@example.com") == 250
    rows = await database.rows(
        """SELECT t.subject, t.body, t.channel, t.topic, t.triage_pending, p.name, p.email, p.role
        FROM tickets t JOIN people p ON p.id = requester_id WHERE t.subject = 'Dark screen'"""
    )
    assert rows == [
        {
            "subject": "Dark screen",
            "body": "My **screen** is dark.",
            "channel": "EMAIL",
            "topic": None,
            "triage_pending": True,
            "name": "New Person",
            "email": "new@elsewhere.example",
            "role": Role.CUSTOMER.name,
        }
    ]
    assert await database.rows("SELECT filename FROM attachments") == [{"filename": "dark.png"}]
    assert await outcomes(database) == ["SUBMITTED"]

    unknown("ignore")
    before = await database.counts()
    assert await send(mail("new@elsewhere.example", "And another."), "support@example.com") == 250
    assert await database.counts() == before | {"inbound_mails": 2}


async def test_who_is_new_may_write_twice_at_once(desk, database, other, unknown):
    unknown("ticket")
    texts = ["My screen is dark.", "My screen is still dark."]
    came = [Incoming(mail("new@elsewhere.example", text).as_bytes(), "new@elsewhere.example", "d@d") for text in texts]
    both = [await arrivals.of(desk, each) for each in came]  # of neither the sender is known

    await asyncio.gather(*(strays.decide(desk, each, "Nobody is known by this address.") for each in both))

    assert await outcomes(database) == ["SUBMITTED"] * 2
    assert await database.rows("SELECT count(*) FROM people") == [{"count": 1}]


async def test_what_staff_alone_were_told_they_answer_among_themselves(send, desk, agent, ticket, database):
    async with desk.writes.begin() as unit:
        from sqlalchemy import select

        from domain import messages
        from models import NotificationKind, Ticket

        row = await unit.lock(lambda key: select(Ticket).where(Ticket.id == key), ticket.uuid)
        part = messages.Part(row, NotificationKind.MENTIONED, [])
        messages.write_about(unit, agent.id, agent.email, [part], kind=NotificationKind.MENTIONED)
    (message,) = await database.rows("SELECT id FROM messages WHERE kind = 'MENTIONED'")
    address = addresses.sealed(desk.settings, desk.signer, addresses.REPLY, message["id"])

    assert await send(mail(agent.email, "I know him."), address) == 250

    assert await database.rows("SELECT internal, author_id FROM comments") == [
        {"internal": True, "author_id": agent.id}
    ]


async def test_what_became_of_a_mail_is_logged_without_anybodys_words(send, reply_to, customer, ticket, database):
    message = mail(customer.email, "I moved to Canary Street.")
    with capture_logs() as logs:
        for _ in range(2):
            assert await send(message, reply_to) == 250

    (row,) = await database.rows("SELECT id FROM inbound_mails")
    taken = [entry for entry in logs if entry["event"] == "mail_taken"]
    told = {"event": "mail_taken", "log_level": "info", "size_bytes": taken[0]["size_bytes"]}
    assert told["size_bytes"] >= len(message.as_bytes())
    assert taken == [
        told | {"outcome": "COMMENTED", "inbound_mail_id": str(row["id"]), "ticket_id": str(ticket.uuid)},
        told | {"outcome": "KNOWN"},
    ]


async def test_what_can_only_be_taken_later_is_no_fault_of_anybodys(
    send, reply_to, customer, database, desk, monkeypatch
):
    def too_fast(*_):
        raise RateLimited(60)

    def away(*_):
        raise Unavailable

    before = await database.counts()
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(answers.comments, "add", too_fast)
        assert await send(mail(customer.email), reply_to) == 451
        patched.setattr(type(desk.writes), "begin", away)
        assert await send(mail(customer.email), reply_to) == 451
    assert await database.counts() == before

    assert [(entry["event"], entry["error"].partition(":")[0]) for entry in logs] == [
        ("mail_not_taken", "NotNow"),
        ("mail_not_taken", "Unavailable"),
    ]


async def test_a_fault_is_no_answer_and_the_sender_tries_again(send, reply_to, customer, database, desk, monkeypatch):
    before = await database.counts()
    with monkeypatch.context() as patched:
        patched.setattr(answers.comments, "add", lambda *_: 1 / 0)
        assert await send(mail(customer.email), reply_to) == 451
    assert await database.counts() == before

    assert await send(mail(customer.email), reply_to) == 250
    assert await outcomes(database) == ["COMMENTED"]


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff\n\n\xff", b"From: @@@<<\nContent-Type: multipart/mixed\n\n", b"x" * 9999]
)
async def test_a_broken_mail_breaks_nothing(send, reply_to, customer, database, content):
    assert await send(content, reply_to, customer.email) == 250
    assert await outcomes(database) == ["WAITING"]


async def test_the_mail_catcher_hands_in_what_is_for_the_desk_and_keeps_the_rest(
    door, send, reply_to, customer, database
):
    kept = []
    at = await door.open(keep=kept.append)

    assert await send(mail(customer.email), reply_to, at=at) == 250
    assert await send(mail(customer.email, "Something new."), "Support@example.com", at=at) == 250
    assert kept == []
    assert await send(mail("support@example.com", "To somebody."), customer.email, at=at) == 250

    assert len(kept) == 1
    assert await outcomes(database) == ["COMMENTED", "WAITING"]


# --- What was written -------------------------------------------------------------------------------------------------


def text_of(message):
    return reading.read(message.as_bytes(), "a@example.com", "b@example.com").text


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("Hello.", "\n\nOn Mon, 23 Nov 2026 at 10:00 Ada\n<ada@example.com> wrote:\n> Hi\n> there\n"),
        ("Hallo.", "\n\nAm 23.11.2026 um 10:00 schrieb Ada:\n\n> Hi\n"),
        ("Hello.", "\n\n-----Original Message-----\nFrom: Ada\nTo: You\n\nHi\n"),
        ("Hello.", "\n\nFrom: Ada <ada@example.com>\nSent: Monday\nTo: You\nSubject: It\n\nHi\n"),
        ("Hallo.", "\n\nVon: Ada\nGesendet: Montag\nAn: Sie\nBetreff: Es\n\nHi\n"),
        ("Hej.", "\n\nFrån: Ada\nSkickat: måndag\nTill: Du\nÄmne: Det\n\nHej\n"),
        ("Hej.", "\n\nFra: Ada\nSendt: mandag\nTil: Dig\nEmne: Det\n\nHej\n"),
        ("Hallo.", "\n\nVan: Ada\nVerzonden: maandag\nAan: U\nOnderwerp: Het\n\nHallo\n"),
        ("Dzień dobry.", "\n\nOd: Ada\nWysłano: poniedziałek\nDo: Ty\nTemat: To\n\nDzień dobry\n"),
        ("Olá.", "\n\nDe: Ada\nEnviada em: segunda-feira\nPara: Tu\nAssunto: Isso\n\nOlá\n"),
        ("Bonjour.", "\n\nDe : Ada\nEnvoyé : lundi\nÀ : Vous\nObjet : Cela\n\nBonjour\n"),
        ("Hello.", "\n\n-- \nCarla, Head of Printers\n"),
        ("Yes.\nOn it.", "\nOn Mon, 23 Nov 2026 at 10:00 Ada\n<ada@example.com> wrote:\n> Hi\n"),
        ("Ja.\nAm Montag geht es.", "\nAda <ada@example.com> schrieb am 23.11.2026:\n> Hi\n"),
        ("One.\nTwo.", "\n23 Nov 2026 10:00, Ada <ada@example.com>:\n> Hi\n"),
        ("Hello.", "\n\nOn 30.11.26 02:31, Deskwire wrote:\n> Hello Carla\n>\n> question\n\n-- \nCarla\n"),
        (
            "Hallo.",
            "\n\nAm 30.11.26 um 10:00 schrieb Deskwire:\n> Guten Tag\n>\n> Frage\n>\n> -- \n> Ada\n\n-- \nCarla\n",
        ),
        ("Hello.", "\n\n-- \nCarla\n\nOn 30.11.26 02:31, Deskwire wrote:\n> Hello\n"),
        ("> Does it burn?\nYes.", "\n\n-- \nCarla\n"),
        ("Hello.", "\n\nSent from my iPhone\n\nOn 2026-11-23 Ada wrote:\n> Hi\n"),
        ("I tried these:\n- one\n- two", ""),
        ("> Does it burn?\nYes.\n\n> Now?\nNo.", ""),
        ("My list is here:", "\n> Hi\n"),
        ("From: the beginning it burns.", ""),
        ("Please change it:\n\nFrom: Berlin\nTo: Munich\nDate: 12 May\n\nTwo seats.", ""),
        ("The log says:\n\n____________________\nIt burns.\n____________________\nWhat now?", ""),
        ("Hello.", "\n\n________________________________\nFrom: Ada\nSent: Monday\nTo: You\n\nHi\n"),
        ("Hello.", "\n\n-----Original Message-----\nFrom: Ada\n\n---- Forwarded message ----\nFrom: Eve\n\nHi\n"),
        ("Hej.", "\n\n-------- Oprindelig besked --------\nFra: Ada\nDato: i dag\n\nHej\n"),
        ("Hei.", "\n\nLähettäjä: Ada\nPäivämäärä: tänään\nVastaanottaja: Sinä\nAihe: Se\n\nHei\n"),
        ("Merhaba.", "\n\nKimden: Ada\nTarih: bugün\nKime: Siz\nKonu: Bu\n\nMerhaba\n"),
        ("您好。", "\n\n发件人\uff1aAda\n收件人\uff1a您\n主题\uff1a打印机\n\n您好\n"),
        ("Hello.", "\n\nSent from Outlook for iOS<https://aka.ms/x>\n________________________________\n"),
        ("Hej.", "\n\nSendt fra min iPad\n"),
        ("Hello.\nSent from my own desk, not from Berlin.", ""),
        # The beginning of who wrote stands above it, where a program broke the line.
        ("Ja.", "\n2026-11-23 10:00 GMT+01:00 Ada Lovelace-Byron of the desk <\nada@example.com>:\n\n> Hi\n"),
        ("Ja.", "\n\nAda of the Printers <printers@example.com> schrieb am Mo., 23.\nNov. 2026 um 10:00 Uhr:\n> Hi\n"),
        ("Joo.", '\n\n23. marraskuuta 2026 klo 10.00 "Ada of the Printers" <\nada@example.com> kirjoitti:\n> Hi\n'),
        ("Ja.", "\n\ntir. 23. nov. 2026 kl. 10:00 skrev Ada <ada@example.com\n>:\n\n> Hi\n"),
        ("On 23.11.2026 at 10:00 it burned.", "\nAda <ada@example.com> wrote:\n> Hi\n"),
        # Programs that put no marks before what they quote.
        ("Yes.", "\n\nOn 23 Nov 2026, at 10:00, Ada <ada@example.com<mailto:ada@example.com>> wrote:\n\nHi\n\nAda\n"),
        ("Ja.", "\n\nDen 23. nov. 2026 kl. 10.00 skrev Ada <ada@example.com>:\n\nHi\n"),
        ("Yes.", "\n\n---- On Mon, 23 Nov 2026 10:00:00 +0100 Ada <ada@example.com> wrote ----\n\nHi\n"),
        ("是。", "\n\nAda <ada@example.com> 于2026年11月23日周一 10:00写道\uff1a\n\nHi\n"),
        ("On Monday Ada wrote:\n\nIt burns.\n\nNow it does not.", ""),
        ("On 23.11.2026 I wrote to ada@example.com:\n\nIt burns.\n\nNow it does not.", ""),
        ("See what they say:\n\nFrom: Ada\nTo: Me\nSubject: It\n\nIt burns.", ""),
        (
            "See below.\n\n-------- Videresendt meddelelse --------\nEmne: Det\nDato: i dag\nFra: Ada\nTil: Mig\n\nHej",
            "",
        ),
        ("> From: Ada\n> To: Me\n> Subject: It\n>\n> Does it burn?\n\nIt does.", ""),
    ],
)
def test_what_is_quoted_at_the_end_is_left_out(written, quoted):
    assert text_of(mail("a@example.com", written + quoted)) == written


BANK = "From: Bank <it@bank.example>\nDate: Monday\nSubject: Your account\nTo: Carla\n\nIt is locked.\n\n-- \nBank"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Your account", f"See below.\n\n---------- Forwarded message ---------\n{BANK}"),
        ("Your account", f"Begin forwarded message:\n\n{BANK}"),
        ("Fwd: Your account", f"See below.\n\n{BANK}"),
        ("VS: Your account", f"See below.\n\n{BANK}"),
        ("Videresend: Your account", f"See below.\n\n{BANK}"),
        ("PD: Your account", f"See below.\n\n{BANK}"),
        ("İLT: Your account", f"See below.\n\n{BANK}"),
        ("WG: Your account", "See below.\n\nAm 23.11.2026 um 10:00 schrieb die Bank:\n> It is locked."),
    ],
)
def test_what_is_passed_on_is_no_quote(subject, text):
    assert text_of(mail("a@example.com", text, subject=subject)) == text


def test_of_what_is_passed_on_their_own_words_are_without_a_signature():
    passed_on = f"---------- Forwarded message ---------\n{BANK}"

    assert text_of(mail("a@example.com", f"See below.\n\n-- \nCarla\n\n{passed_on}")) == f"See below.\n\n{passed_on}"


@pytest.mark.parametrize(
    "html",
    [
        "See<div class='gmail_quote'><div class='gmail_attr'>Forwarded</div>It is locked.</div>",
        "See<div id='divRplyFwdMsg'>Forwarded</div><div>It is locked.</div>",
        "See<blockquote type='cite'>Forwarded<br>It is locked.</blockquote>",
    ],
)
def test_what_is_passed_on_in_html_is_no_quote(html):
    assert "It is locked." in text_of(mail("a@example.com", None, subject="FW: Your account", html=html))
    assert "It is locked." not in text_of(mail("a@example.com", None, subject="Re: FW: Your account", html=html))


def test_nothing_but_a_quote_is_left_whole():
    assert text_of(mail("a@example.com", "> Hi\n> there\n")) == "> Hi\n> there"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>It <b>still</b> burns.</p><p>Bye</p>", "It **still** burns.\n\nBye"),
        ("<div>One</div><div>Two<br>Three</div>", "One\n\nTwo\nThree"),
        ("<ul><li>a</li><li>b</li></ul><ol><li>c<li>d</ol>", "- a\n- b\n\n1. c\n2. d"),
        (
            "<a href='https://example.com/x'>here</a> <a href='javascript:alert(1)'>there</a>",
            "[here](https://example.com/x) there",
        ),
        ("<style>p{}</style><script>alert(1)</script>Hi &lt;b&gt; *x*", "Hi \\<b\\> \\*x\\*"),
        ("Hi<div class='gmail_quote'>On Mon wrote<blockquote>old</blockquote></div>", "Hi"),
        ("Hi<hr><div id='divRplyFwdMsg'>From: me</div><div>old</div>", "Hi"),
        ("Hi<blockquote type='cite'>old</blockquote>", "Hi"),
        ("<p>Hi</p>On 23.11.2026 Ada &lt;a@example.com&gt; wrote:<blockquote type='cite'>old</blockquote>", "Hi"),
        ("<div class='moz-cite-prefix'>Ada wrote:</div><blockquote type='cite'>old</blockquote><p>Hi</p>", "Hi"),
        (
            "<p class=gmail_quote>A:<blockquote type=cite>So?</blockquote>Yes<blockquote type=cite>Now?</blockquote>No",
            "> A:\n\n> So?\n\nYes\n\n> Now?\n\nNo",
        ),
        ("<div class='gmail_quote'>On Mon wrote<blockquote class='gmail_quote'>old</blockquote>Hi</div>", "Hi"),
        ("Hi<div class='yahoo_quoted'>Ada:<blockquote type='cite'>older</blockquote>old</div>", "Hi"),
        ("Hi<div id='mail-editor-reference-message-container'><b>From:</b> Ada<p>old</p></div>", "Hi"),
        ("Hi<div name='quote'><b>Von:</b> Ada<p>old</p></div>", "Hi"),
        ("Hi<blockquote type='cite'>old<blockquote type='cite'>older</blockquote>old again", "Hi"),
        ("<blockquote>Said</blockquote>Mine", "> Said\n\nMine"),
        ("<p>open <b>never closed", "open **never closed"),
        ("Log:<pre>one\n  two *x*\r\n\nthree</pre>a\nb", "Log:\n\none\n\xa0\xa0two \\*x\\*\n\nthree\n\na b"),
        ("<img src='https://tracker.example/x.gif'>Hi", "Hi"),
        ("<!DOCTYPE html><!--[if mso]><p>a</p><![endif]--><![if !mso]><p>b</p><![endif]><?xml x?>Hi", "b\n\nHi"),
        ("<p>Hi</p>1 < 2 <!-- never closed <p>a", "Hi\n\n1 \\< 2"),
        ("<p>Hi</p>a <b", "Hi\n\na \\<b"),
        ("<p>1. May</p><p>2) me</p><p># x</p>", "1\\. May\n\n2\\) me\n\n\\# x"),
        ("A &amp;lt; B &amp; C&amp;D", "A \\&lt; B & C&D"),
    ],
)
def test_html_is_made_markdown(html, text):
    assert text_of(mail("a@example.com", None, html=html)) == text


def parts(kind, *inner):
    """A part with others in it: each a text, its subtype before it, a file's name in parentheses; or made already."""
    whole = EmailMessage()
    whole["Content-Type"] = f"multipart/{kind}"
    for each in inner:
        part = each
        if isinstance(each, str):
            subtype, _, text = each.partition(": ")
            part = EmailMessage()
            part.set_content(text, subtype=subtype.partition("(")[0], disposition="inline")
            if "(" in subtype:
                part.set_param("filename", subtype.partition("(")[2].rstrip(")"), "Content-Disposition")
        whole.attach(part)
    return whole


def picture(name=None):
    part = EmailMessage()
    part.set_content(b"\x89PNG", maintype="image", subtype="png", disposition="inline", filename=name)
    return part


@pytest.mark.parametrize(
    ("message", "text", "names"),
    [
        (parts("mixed", "plain: Look:", picture(), "plain: And now?"), "Look:\n\nAnd now?", ["attachment"]),
        (
            parts("mixed", "plain: Look:", picture("a.png"), "plain: Now?\n\n-- \nCarla"),
            "Look:\n\nNow?",
            ["a.png"],
        ),
        (parts("mixed", "html: <b>One</b>", picture(), "html: Two"), "**One**\n\nTwo", ["attachment"]),
        (
            parts("alternative", "plain: Both", parts("mixed", "html: One", picture("a.png"), "html: Two")),
            "Both",
            ["a.png"],
        ),
        (
            parts("mixed", parts("alternative", "html: <i>a</i>", "plain: a"), parts("alternative", "html: <i>b</i>")),
            "a\n\n*b*",
            [],
        ),
        (parts("mixed", "plain: See there.", "plain(log.txt): It burns."), "See there.", ["log.txt"]),
        (parts("mixed", "plain(log.txt): It burns.", "plain: See there."), "See there.", ["log.txt"]),
        (parts("mixed", "plain(words.txt): It burns.", picture("a.png")), "It burns.", ["a.png"]),
        (parts("alternative", "plain: a", "html(a.html): <i>a</i>"), "a", []),
        (parts("related", "html: One", picture("a.png"), "css: p{}"), "One", ["a.png"]),
        (parts("alternative", "plain: ", "html: <b>One</b>"), "**One**", []),
        (parts("mixed", "plain: ", picture("a.png")), "", ["a.png"]),
    ],
)
def test_all_texts_of_a_mail_are_its_words(message, text, names):
    message["From"] = "a@example.com"
    read = reading.read(message.as_bytes(), "a@example.com", "b@example.com")

    assert read.text == text
    assert [file.name for file in read.files] == names


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("us-ascii", "Grüße".encode()),
        ("us-ascii", b"Gr\xfc\xdfe"),
        ("x-unknown", b"Gr\xfc\xdfe"),
        ("utf-8", "Grüße".encode()),
        ("iso-8859-1", "Das kostet 5 €".encode("cp1252")),
        ("gb2312", "镕基".encode("gbk")),
        ("ks_c_5601-1987", "똠방".encode("cp949")),
        ("Shift_JIS", "①番".encode("cp932")),
        ("idna", b"Hello"),
    ],
)
def test_a_text_is_read_whatever_it_claims_to_be_written_in(charset, written):
    head = (
        f"From: a@example.com\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    meant = {
        "iso-8859-1": "Das kostet 5 €",
        "gb2312": "镕基",
        "ks_c_5601-1987": "똠방",
        "Shift_JIS": "①番",
        "idna": "Hello",
    }

    read = reading.read(head.encode() + written, "a@example.com", "b@example.com")

    assert read.text == meant.get(charset, "Grüße")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("Es läuft".encode(), "Es läuft"),
        ("Es läuft".encode("cp1252"), "Es läuft"),
        (b"=?iso-8859-1?Q?5_=80?=", "5 €"),
        (b"=?GB2312?B?6UY=?=", "镕"),
        (b"=?x-unknown?Q?Hello?=", "Hello"),
    ],
)
def test_a_header_is_read_as_it_was_meant(written, text):
    content = (
        b"From: a@example.com\r\nSubject: " + written + b'\r\nContent-Type: text/plain; name="' + written + b'"\r\n'
        b"Content-Disposition: attachment\r\n\r\nHi"
    )

    read = reading.read(content, "a@example.com", "b@example.com")

    assert read.subject == text
    assert [file.name for file in read.files] == [text]
    assert reading.subject(content) == text


@pytest.mark.parametrize(
    ("written", "text", "delsp"),
    [
        ("It still \r\nburns.\r\nEach day.", "It still burns.\nEach day.", ""),
        ("まだ燃え \r\nています。", "まだ燃えています。", "; delsp=yes"),
        (" >not quoted, \r\n From here", ">not quoted, From here", ""),
        ("> Does it \r\n> burn?\r\nYes, \r\nit does.\r\n-- \r\nCarla", "> Does it burn?\nYes, it does.", ""),
        ("One \r\n> two\r\nthree", "One \n> two\nthree", ""),
    ],
)
def test_lines_that_go_on_are_one(written, text, delsp):
    head = "From: a@example.com\r\nContent-Type: text/plain; charset=utf-8; format=flowed" + delsp
    content = f"{head}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{written}".encode()

    assert reading.read(content, "a@example.com", "b@example.com").text == text


@pytest.mark.parametrize("boundary", ['"--=_1:a/b"', "--=_1:a/b", "--=_1:a/b; charset=utf-8"])
def test_a_mail_is_taken_apart_where_its_boundary_stands_without_quotation_marks(boundary):
    content = (
        f"From: a@example.com\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n"
        "----=_1:a/b\r\n\r\nIt burns.\r\n----=_1:a/b\r\n"
        "Content-Type: application/pdf; name=log.pdf\r\n\r\n%PDF\r\n----=_1:a/b--\r\n"
    )

    read = reading.read(content.encode(), "a@example.com", "b@example.com")

    assert (read.text, [file.name for file in read.files]) == ("It burns.", ["log.pdf"])


@pytest.mark.parametrize("boundary", ["; boundary=lost", ""])
def test_a_mail_that_can_not_be_taken_apart_is_all_text(boundary):
    head = f"From: a@example.com\r\nContent-Type: multipart/mixed{boundary}\r\n\r\n"

    read = reading.read(f"{head}--found\r\n\r\nIt burns.\r\n".encode(), "a@example.com", "b@example.com")
    blank = reading.read(f"{head}\r\n".encode(), "a@example.com", "b@example.com")

    assert (read.text, read.files) == ("--found\n\nIt burns.", ())
    assert (blank.text, blank.files) == ("", ())


@pytest.mark.parametrize(
    "broken",
    [
        b"Received: from a\x1dby: b\r\nX-\xff: \xff\r\n\r\nHi",
        b"Content-Type: multipart/mixed; boundary=lost\r\n\r\n\xff",
        b'Content-Type: multipart/mixed; boundary="\xff"\r\n\r\n--\xff\r\n\r\nHi\r\n--\xff--',
        b"Content-Type: text/plain; charset=\0\r\n\r\n\xff",
    ],
)
def test_a_broken_mail_is_a_file_as_it_came(broken):
    head = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    attached = b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + broken + b"\r\n--x--\r\n"

    read = reading.read(head + b"--x\r\n\r\nSee this.\r\n" + attached, "a@example.com", "b@example.com")

    assert read.text == "See this."
    assert [file.content.split() for file in read.files] == [broken.split()]
    assert reading.read(broken, "a@example.com", "b@example.com").bounce is False


def test_the_kind_of_a_file_is_known_without_a_semicolon_behind_it():
    head = "From: a@example.com\r\nContent-Disposition: attachment; filename=log.pdf\r\n"
    content = f'{head}Content-Type: application/pdf name="log.pdf"\r\n\r\n%PDF'

    (file,) = reading.read(content.encode(), "a@example.com", "b@example.com").files

    assert (file.name, file.content_type) == ("log.pdf", "application/pdf")


def test_the_seal_of_a_mail_is_no_file():
    message = parts("signed", "plain: It burns.")
    seal = EmailMessage()
    seal.set_content(b"\x30\x82", maintype="application", subtype="pkcs7-signature", filename="smime.p7s")
    message.attach(seal)
    message["From"] = "a@example.com"

    read = reading.read(message.as_bytes(), "a@example.com", "b@example.com")

    assert (read.text, read.files) == ("It burns.", ())


@pytest.mark.parametrize("kind", ["plain", "html", "rewritten"])
async def test_an_answer_gives_nobody_the_link_that_was_its_writers_alone(
    send, reply_to, mailbox, customer, database, kind
):
    text = mailbox.to(customer.email)[0].get_body(("plain",)).get_content()
    link = next(word for word in text.split() if "/t/" in word)
    token = link.rpartition("/")[2]
    said = {
        "plain": mail(customer.email, f"It burns.\n\nDeskwire wrote:\nRead all of it: {link}\nBye"),
        "html": mail(customer.email, None, html=f"It burns.<p>Read <a href='{link}'>{link}</a>"),
        "rewritten": mail(customer.email, f"It burns. https://safe.example/?url={quote(link, safe='')}&data=1"),
    }[kind]

    assert await send(said.as_bytes(policy=policy.SMTP), reply_to, sender=customer.email) == 250

    [body] = await bodies(database)
    assert body.startswith("It burns.")
    assert [part for part in token.split(".") if part in body.replace("\\", "")] == []


@pytest.mark.parametrize(
    "page", [None, "https://app.example.com/sign-in#{token}", "https://app.example.com/?in={token}"]
)
@pytest.mark.parametrize("kind", ["plain", "html", "rewritten"])
def test_a_link_that_signs_in_is_nobody_else_s(settings, page, kind):
    """Whoever can't sign in passes it on to the desk, whose staff read that: also where it leads to a front end."""
    signer, moment = Signer(settings.secret_key), dt.datetime.now(dt.UTC)
    its = SignInLink(id=uuid4(), expires_at=moment + dt.timedelta(minutes=15))
    link = messages.sign_in_link(settings.model_copy(update={"sign_in_url": page}), signer, its, moment)
    said = {
        "plain": mail("a@example.com", f"I can't get in by {link} here."),
        "html": mail("a@example.com", None, html=f"I can't get in by <a href='{link}'>{link}</a> here."),
        "rewritten": mail("a@example.com", f"I can't get in by https://safe.example/?url={quote(link, safe='')} here."),
    }[kind]

    text = reading.read(said.as_bytes(policy=policy.SMTP), "a@example.com", "b@example.com").text.replace("\\", "")

    assert text.startswith("I can't get in by ")
    assert text.endswith(" here.")
    assert not any(part in text for part in link[link.index("eyJ") :].split("."))


def test_a_mail_that_is_attached_is_a_file_with_all_that_is_in_it():
    inner = mail("bank@example.com", "It is locked.", subject="Re: your account / last warning")
    inner.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="a.png")
    message = mail("a@example.com", "See there.")
    message.add_attachment(inner)

    read = reading.read(message.as_bytes(), "a@example.com", "b@example.com")

    assert read.text == "See there."
    (file,) = read.files
    assert (file.name, file.content_type) == ("Re: your account - last warning.eml", "text/plain")
    assert b"It is locked." in file.content
    assert b"a.png" in file.content


async def test_a_mail_that_is_attached_is_taken(send, reply_to, customer, database):
    message = mail(customer.email, "See there.")
    message.add_attachment(mail("bank@example.com", "It is locked.", subject="Your account"))

    assert await send(message, reply_to) == 250

    assert await database.rows("SELECT filename, content_type FROM attachments") == [
        {"filename": "Your account.eml", "content_type": "text/plain"}
    ]
    assert await bodies(database) == ["See there."]


def test_a_text_that_is_attached_without_a_name_is_a_file():
    attached = EmailMessage()
    attached.set_content("It burns.", disposition="attachment")
    read = reading.read(parts("mixed", "plain: See there.", attached).as_bytes(), "a@example.com", "b@example.com")

    assert read.text == "See there."
    assert [(file.name, file.content) for file in read.files] == [("attachment", b"It burns.\n")]


@pytest.mark.parametrize("kind", ["mixed", "alternative"])
def test_a_mail_of_many_parts_takes_as_long_as_it_is(kind):
    content = f"Content-Type: multipart/{kind}; boundary=x\n\n" + "--x\nContent-Type: text/html\n\n<b>a\n" * 5_000
    began = time.process_time()
    reading.read(content.encode(), "a@example.com", "reply@example.com")

    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("multipart/mixed; boundary=x", b"--x\r\n\r\n"),
        ("multipart/mixed; boundary=x", b"--x\r\n\r\n" + b"a" * 200 + b"\r\n"),
        ("message/delivery-status", b"X: y\r\n\r\n"),
        ("text/plain", b"a\n"),
        ("text/plain", b"a\r"),
    ],
)
def test_a_mail_of_more_than_anybody_writes_is_not_taken_apart(kind, unit):
    """It would take minutes, and gigabytes, from all who write meanwhile."""
    head = f"From: a@example.com\r\nSubject: Mine\r\nContent-Type: {kind}\r\n\r\n".encode()
    content = head + unit * (8_000_000 // len(unit))
    began = time.process_time()

    with pytest.raises(reading.TooMuch):
        reading.read(content, "a@example.com", "reply@example.com")

    assert reading.subject(content) == "Mine"
    assert time.process_time() - began < 3


async def test_what_is_not_taken_apart_is_kept(send, database, stranger, monkeypatch):
    monkeypatch.setattr(reading, "MOST_PARTS", 3)
    many = mail(stranger.email, "See my pictures.")
    for _ in range(4):
        many.add_attachment(b"\x89PNG", maintype="image", subtype="png")

    assert await send(many, "support@example.com") == 250

    assert await database.rows("SELECT outcome, sender FROM inbound_mails") == [
        {"outcome": "WAITING", "sender": stranger.email}
    ]


@pytest.mark.parametrize(
    "html",
    [
        *("<a>" * 12_000 + "</b>" * 12_000, "<!--" * 20_000, "<?" * 40_000, "</" * 40_000, "<![CDATA[" * 10_000),
        *("<td></td>" * 110_000, "<x> " * 250_000),
    ],
)
def test_a_mail_takes_as_long_as_it_is(html):
    """And not its square, in which no other is taken."""
    began = time.process_time()
    reading.read(mail("a@example.com", None, html=html).as_bytes(), "a@example.com", "reply@example.com")

    assert time.process_time() - began < 3


def test_a_charset_takes_as_long_as_its_text():
    head = b"From: a@example.com\r\nContent-Type: text/plain; charset=punycode\r\n\r\na-"
    began = time.process_time()
    reading.read(head + b"b9" * 500_000, "a@example.com", "reply@example.com")

    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Carla <carla@example.com>", "Carla"),
        ("=?utf-8?q?J=C3=B6rg?= <Carla@example.com>", "Jörg"),
        ("Jörg <carla@example.com>", "Jörg"),
        ("carla@example.com (Carla)", "Carla"),
        ("carla@example.com <carla@example.com>", ""),
        ("Doe, Carla\r\n <carla@example.com>", "Carla"),
    ],
)
def test_who_a_mail_is_from_is_known_by_one_address(written, name):
    read = reading.read(f"From: {written}\r\n\r\nHello".encode(), "carla@example.com", "reply@example.com")

    assert (read.sender, read.sender_name) == ("carla@example.com", name)


@pytest.mark.parametrize(
    "written",
    [
        "=?utf-8?q?carla=40example.com?=",
        "=?utf-8?q?carla=40example.com=2C?= mallory@evil.example",
        "=?utf-8?q?carla=40example.com=2C?= <mallory@evil.example>, <carla@example.com>",
        "<carla@example.com> <mallory@evil.example>",
        "carla@example.com <mallory@evil.example>",
        "carla@example.com, mallory@evil.example",
        "mallory@evil.example, carla@example.com",
        "carla@example.com\r\nFrom: mallory@evil.example",
        "mallory@evil.example\r\nFrom: carla@example.com",
        "<carla@example.com\0>",
        "<carla@exam\x07ple.com>",
        "carla@example.com(" + "x" * 3_000 + "), mallory@evil.example",
        "carla@(mallory.)example.com",
        "carla@\uff45xample.com",
        "carla@example\u3002com",
        "carla@\u24d4xample.com",
        "carla@\u212aey.example",
        "\u212aarl@example.com",
        "carla@exa\u0308mple.com",
        "carla@exam\u00adple.com",
    ],
)
def test_who_a_mail_is_from_is_nobody_where_others_could_read_it_in_another_way(written):
    """A mail server that checks who may write for a domain may have looked at another one."""
    read = reading.read(f"From: {written}\r\n\r\nHello".encode(), "mallory@evil.example", "reply@example.com")

    assert (read.sender, read.sender_name) == ("", "")


async def test_an_answer_whose_sender_is_not_one_address_is_not_their_words(send, reply_to, customer, database):
    spoofed = f"=?utf-8?q?{customer.email.replace('@', '=40')}=2C?= mallory@evil.example"
    content = f"From: {spoofed}\r\nMessage-ID: <1@evil.example>\r\n\r\nClose it."

    assert await send(content.encode(), reply_to, sender="mallory@evil.example") == 250

    assert await outcomes(database) == ["WAITING"]
    [comment] = await database.rows("SELECT internal, author_id FROM comments")
    assert comment == {"internal": True, "author_id": None}


async def test_a_stranger_mentions_nobody(send, reply_to, stranger, agent, database, work, mailbox):
    """What they wrote stands where staff mention each other, and is told to nobody as a mention."""
    sent = len(mailbox.letters)

    await send(mail(stranger.email, f"@{agent.name} look at https://evil.example"), reply_to)
    await work.run()

    assert "evil.example" in (await bodies(database))[0]
    assert await database.rows("SELECT kind FROM notifications WHERE kind = 'MENTIONED'") == []
    assert mailbox.letters[sent:] == []


async def test_a_mail_has_a_hundred_recipients_at_once(port, desk):
    def talk():
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            client.mail("mallory@evil.example")
            return [client.rcpt(f"x{number}@{desk.settings.reply_domain}")[0] for number in range(102)]

    assert await asyncio.to_thread(talk) == [250] * 100 + [452] * 2


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
async def test_a_mail_waits_until_there_is_room_for_it(protocol):
    """Or some large ones at the same moment would take all the memory there is, and with it what is under way."""
    came, may_end = asyncio.Queue(), asyncio.Event()

    async def take(mail):
        came.put_nowait(mail.content.strip())
        await may_end.wait()

    here = Door(take, lambda _: True)
    here.room = Room(MOST_BYTES + 100)
    server = await mail_door.listen("127.0.0.1", 0, here, protocol)
    port, kind = server.sockets[0].getsockname()[1], {"smtp": smtplib.SMTP, "lmtp": smtplib.LMTP}[protocol]

    def talk(content, *options):
        with kind("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            client.mail("a@example.com", options)
            client.rcpt("b@example.com")
            return client.data(content)[0]

    async with asyncio.timeout(30):
        unknown = asyncio.create_task(asyncio.to_thread(talk, b"Of any size."))
        assert await came.get() == b"Of any size."
        large = asyncio.create_task(asyncio.to_thread(talk, b"Large.", "SIZE=200"))
        small = asyncio.create_task(asyncio.to_thread(talk, b"Small.", "SIZE=100"))
        assert await came.get() == b"Small."
        await asyncio.wait([large], timeout=0.5)
        assert came.empty()
        may_end.set()
        assert [await each for each in (unknown, small, large)] == [250] * 3
    server.close()

    assert came.get_nowait() == b"Large."


@pytest.mark.parametrize("head", ["From: {}", "From: a@example.com\nContent-Type: text/plain; {}"])
@pytest.mark.parametrize("many", ["(a)", '"a" ', "a=b; ", "a*0*=b; "])
def test_its_head_takes_as_long_as_it_is(head, many):
    began = time.process_time()
    reading.read(f"{head.format(many * 10_000)}\n\nHello".encode(), "a@example.com", "reply@example.com")

    assert time.process_time() - began < 3


ESCALATE = "mutation($input: EscalateTicketInput!) { escalateTicket(input: $input) { __typename } }"


async def test_staff_answer_the_news_of_what_they_asked_for_themselves_as_customers_do(
    send, work, mailbox, api, submit, database, agent, billing_agent, problem
):
    found = await submit(billing_agent, problem)
    await work.run()
    mailbox.letters.clear()
    answer = await api(agent, ESCALATE, input={"ticketId": found["id"], "reason": "It burns on."})
    assert answer["escalateTicket"]["__typename"] == "EscalateTicketSuccess"
    await work.run()
    (letter,) = mailbox.to(billing_agent.email)
    assert "You can simply answer this email." in letter.get_body(("plain",)).get_content()

    assert await send(mail(billing_agent.email), letter["Reply-To"]) == 250

    assert await outcomes(database) == ["COMMENTED"]
    rows = await database.rows("SELECT internal, author_id FROM comments")
    assert rows == [{"internal": False, "author_id": billing_agent.id}]


async def test_who_follows_a_ticket_that_others_work_on_is_not_promised_that_their_answer_is_taken(
    send, work, mailbox, api, database, ticket, agent, billing_agent, stranger
):
    """Staff have it wait, as it was for the desk alone; a customer's is a comment."""
    watch = "mutation($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
    for each in (billing_agent, stranger):
        await api(agent, watch, input={"ticketId": ticket.gid, "personId": each.gid})
    await api(agent, ESCALATE, input={"ticketId": ticket.gid, "reason": "It burns on."})
    await work.run()
    (letter,), (public,) = mailbox.to(billing_agent.email), mailbox.to(stranger.email)
    assert "nswer" not in letter.get_body(("plain",)).get_content()
    assert "You can simply answer this email." in public.get_body(("plain",)).get_content()

    await send(mail(billing_agent.email), letter["Reply-To"])
    await send(mail(stranger.email, "Please hurry."), public["Reply-To"])

    assert await outcomes(database) == ["WAITING", "COMMENTED"]
    rows = await database.rows("SELECT internal, author_id FROM comments ORDER BY created_at")
    assert rows == [{"internal": True, "author_id": None}, {"internal": False, "author_id": stranger.id}]


async def test_what_staff_answer_to_a_rating_stays_within_the_desk(
    send, work, mailbox, api, ticket, agent, customer, database
):
    resolve = "mutation($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"
    confirm = "mutation($input: ConfirmResolutionInput!) { confirmResolution(input: $input) { __typename } }"
    await api(agent, resolve, input={"ticketId": ticket.gid})
    await api(customer, confirm, input={"ticketId": ticket.gid, "rating": 1})
    await work.run()
    letter = mailbox.to(agent.email)[-1]
    assert "An answer to this email stays within the desk." in letter.get_body(("plain",)).get_content()

    assert await send(mail(agent.email, "He is never content."), letter["Reply-To"]) == 250

    assert await outcomes(database) == ["COMMENTED"]
    rows = await database.rows("SELECT internal, author_id FROM comments")
    assert rows == [{"internal": True, "author_id": agent.id}]
