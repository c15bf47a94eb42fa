"""Mail that fits no ticket and waits: it is seen, and becomes a ticket once."""

import asyncio
from email.message import EmailMessage

import pytest
from typer.testing import CliRunner

import desk as commands
from domain import inbound
from domain.inbound import files, submissions, waiting
from domain.refusals import NotFound, Refusal
from infra import console
from infra.mail_door import Incoming
from models import Role

OUTCOMES = "SELECT outcome, ticket_id, file_key, recipient, reason FROM inbound_mails ORDER BY received_at"
TICKETS = """SELECT t.number, t.subject, t.body, t.channel, p.name, p.email, p.role
    FROM tickets t JOIN people p ON p.id = requester_id ORDER BY t.number"""


@pytest.fixture
def come(desk):
    """A mail comes in, by default from a stranger to the support address."""

    async def came(
        text="My **screen** is dark.", sender="New Person <new@elsewhere.example>", to="support@example.com"
    ):
        message = EmailMessage()
        message["From"], message["Subject"], message["Message-ID"] = sender, "Dark screen", f"<{hash((text, to))}@x>"
        message.set_content(text)
        if text:
            message.add_attachment(
                b"\x89PNG\r\n\x1a\n" + b"x" * 50, maintype="image", subtype="png", filename="dark.png"
            )
        await inbound.take(desk, Incoming(message.as_bytes(), sender, to))
        return message

    return came


@pytest.fixture
def command(migrated, monkeypatch):
    """`desk waiting-mail`, as an operator calls it: its exit code, what it says, and what is wrong."""
    monkeypatch.setattr(console, "settings", lambda: migrated)
    monkeypatch.setattr("infra.supervisor.join", lambda _folder: None)
    monkeypatch.setattr("infra.logs.configure", lambda *_: None)  # the process is the tests', and so is its log

    async def called(*arguments):
        result = await asyncio.to_thread(CliRunner().invoke, commands.app, ["waiting-mail", *arguments])
        return result.exit_code, result.stdout, result.stderr

    return called


async def test_an_operator_lists_and_opens_it(come, command, desk, database, other):
    assert await command() == (0, "", f"{commands.NO_MAIL}\n")
    await come()
    await come("", "Mute Mary <mute@elsewhere.example>")
    good, bad = await waiting.listed(desk)

    code, said, _ = await command()
    assert code == 0
    first, second = said.splitlines()
    assert first.startswith(f"{good.id}  {good.received_at:%Y-%m-%d %H:%M} UTC  new@elsewhere.example  Dark screen")
    assert (second.split()[0], "  mute@elsewhere.example  Dark screen" in second) == (str(bad.id), True)
    assert (await command("--open", "nonsense"))[0] == 2

    code, said, wrong = await command("--open", "all")
    (ticket,) = await database.rows(TICKETS)
    assert (code, said) == (1, f"{good.id}  is ticket #{ticket['number']}\n")
    assert wrong == f"{bad.id}  It names no sender, or nothing is written in it.\n"

    assert await command("--open", str(good.id)) == (1, "", f"{good.id}  There is no such mail that waits.\n")


async def test_one_without_a_subject_is_listed_as_such(desk, database, command):
    await inbound.take(
        desk, Incoming(b"From: a@elsewhere.example\r\n\r\nHello", "a@elsewhere.example", "us@example.com")
    )

    assert (await command())[1].endswith("  a@elsewhere.example  (no subject)\n")


async def test_an_operator_dismisses_it(come, command, desk, database, other, work):
    one, *_ = [await come(f"Buy {number}") for number in range(3)]
    first, *others = await waiting.listed(desk)
    kept = [row["file_key"] for row in await database.rows(OUTCOMES)]
    before = await database.counts()
    assert (await command("--dismiss", str(first.id), "--open", "all"))[0] == 2
    assert (await command("--dismiss", "nonsense"))[0] == 2
    assert await database.counts() == before

    assert await command("--dismiss", str(first.id)) == (0, f"{first.id}  is dismissed\n", "")
    assert await command("--dismiss", str(first.id)) == (1, "", f"{first.id}  There is no such mail that waits.\n")
    assert await command("--open", str(first.id)) == (1, "", f"{first.id}  There is no such mail that waits.\n")
    assert [each.id for each in await waiting.listed(desk)] == [each.id for each in others]
    assert await command("--dismiss", "all") == (0, "".join(f"{each.id}  is dismissed\n" for each in others), "")

    nothing = {"outcome": "IGNORED", "ticket_id": None, "file_key": None, "recipient": None}
    assert await database.rows(OUTCOMES) == [nothing | {"reason": "It was dismissed."}] * 3
    told = "SELECT subject_id, action, actor_id, summary FROM audit_entries WHERE subject_table = :table ORDER BY at"
    said = {"action": "deskwire", "actor_id": None, "summary": "Dismissed a mail that waited."}
    dismissed = [said | {"subject_id": each.id} for each in (first, *others)]
    assert await database.rows(told, table="inbound_mails") == dismissed
    await work.run()
    for key in kept:
        with pytest.raises(FileNotFoundError):
            await desk.files.open(key)
    await inbound.take(desk, Incoming(one.as_bytes(), one["From"], "support@example.com"))  # handed in again
    assert await waiting.listed(desk) == []


async def test_of_two_who_dismiss_and_open_it_one_does(come, desk, database, other, customer, monkeypatch):
    await come(sender=customer.email)
    (mail,) = await waiting.listed(desk)
    stored = files.stored

    async def dismissed_meanwhile(*arguments):
        await waiting.dismiss(desk, mail.id)
        return await stored(*arguments)

    monkeypatch.setattr(files, "stored", dismissed_meanwhile)
    with pytest.raises(NotFound):
        await waiting.open_one(desk, mail.id)
    assert await database.rows("SELECT count(*) FROM tickets") == [{"count": 0}]


async def test_a_strangers_mail_is_listed_and_becomes_a_ticket_once(come, desk, database, other, work, mailbox):
    message = await come()
    (mail,) = await waiting.listed(desk)
    assert (mail.sender, mail.subject) == ("new@elsewhere.example", "Dark screen")
    (kept,) = await database.rows(OUTCOMES)

    number = await waiting.open_one(desk, mail.id)

    expected = {"number": number, "subject": "Dark screen", "body": "My **screen** is dark.", "channel": "EMAIL"}
    sender = {"name": "New Person", "email": "new@elsewhere.example", "role": Role.CUSTOMER.name}
    assert await database.rows(TICKETS) == [expected | sender]
    assert await database.rows("SELECT filename FROM attachments") == [{"filename": "dark.png"}]
    (row,) = await database.rows(OUTCOMES)
    assert row["ticket_id"] is not None
    assert (row["outcome"], row["file_key"], row["recipient"], row["reason"]) == ("SUBMITTED", None, None, None)
    assert await waiting.listed(desk) == []
    await work.run()
    with pytest.raises(FileNotFoundError):
        await desk.files.open(kept["file_key"])

    before = await database.counts()
    with pytest.raises(NotFound):
        await waiting.open_one(desk, mail.id)
    await inbound.take(desk, Incoming(message.as_bytes(), message["From"], "support@example.com"))  # handed in again
    assert await database.counts() == before


async def test_two_who_open_it_at_once_make_one_ticket(come, desk, database, other, customer, monkeypatch):
    submit = submissions.submitting.submit

    async def slow(*arguments):
        await asyncio.sleep(0.2)
        return await submit(*arguments)

    monkeypatch.setattr(submissions.submitting, "submit", slow)
    await come(sender=customer.email)
    (mail,) = await waiting.listed(desk)

    done = await asyncio.gather(*(waiting.open_one(desk, mail.id) for _ in range(2)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in done) == ["NotFound", "int"]
    assert await database.rows("SELECT count(*) FROM tickets") == [{"count": 1}]


async def test_an_answer_to_a_closed_ticket_goes_on_from_there(
    come, desk, database, other, ticket, customer, work, mailbox
):
    await work.run()
    (letter,) = mailbox.to(customer.email)
    await database.rows("UPDATE tickets SET status = 'CLOSED', closed_at = now()")
    await come("It burns anew.", customer.email, letter["Reply-To"])
    (mail,) = await waiting.listed(desk)

    number = await waiting.open_one(desk, mail.id)

    made = (await database.rows(TICKETS))[-1]
    assert (made["number"], made["subject"], made["email"]) == (number, "Printer on fire", customer.email)
    assert await database.rows("SELECT DISTINCT kind FROM ticket_links") == [{"kind": "RELATED"}]


async def test_of_mail_from_before_its_recipient_was_kept_it_is_a_ticket_alone(come, desk, database, other):
    await come()
    await database.rows("UPDATE inbound_mails SET recipient = NULL")
    (mail,) = await waiting.listed(desk)

    number = await waiting.open_one(desk, mail.id)

    assert [row["number"] for row in await database.rows(TICKETS)] == [number]


async def test_what_can_be_no_ticket_waits_on(come, desk, database, other, customer):
    await come(sender=customer.email)
    (mail,) = await waiting.listed(desk)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=customer.id)
    before = await database.counts()

    with pytest.raises(Refusal, match="Its sender was shut out"):
        await waiting.open_one(desk, mail.id)

    await database.rows("UPDATE people SET active = true WHERE id = :id", id=customer.id)
    (row,) = await database.rows(OUTCOMES)
    await desk.files.delete([row["file_key"]])
    with pytest.raises(Refusal, match="Its content is gone"):
        await waiting.open_one(desk, mail.id)
    assert await database.counts() == before
    assert (await waiting.listed(desk))[0].subject == "(Its content is gone.)"
    assert (await database.rows(OUTCOMES))[0]["outcome"] == "WAITING"


async def test_without_a_category_for_everything_else_nothing_is_lost(come, desk, database):
    await come()
    (mail,) = await waiting.listed(desk)

    with pytest.raises(Refusal, match="There is no category for everything else"):
        await waiting.open_one(desk, mail.id)

    assert [each.id for each in await waiting.listed(desk)] == [mail.id]
