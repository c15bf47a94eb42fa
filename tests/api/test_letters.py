"""Emails as they arrive: their words, languages and dates, their thread, and the way out of them."""

import asyncio
import dataclasses
import datetime as dt
import re

import pytest
from sqlalchemy import select

import models
from domain import drafts, erasing, happenings, history, messages
from domain.happenings import (
    ResolutionConfirmed,
    SlaBreached,
    StatusChanged,
    TicketAssigned,
    TicketClosed,
    TicketReopened,
    TicketResolved,
)
from domain.jobs import SendMessage
from infra import jobs
from infra.ids import new_id
from models import NotificationKind, SlaTargetKind, TicketStatus

OPEN, ON_HOLD = TicketStatus.OPEN, TicketStatus.ON_HOLD
RESUMES = dt.datetime(2027, 3, 1, 22, 30, tzinfo=dt.UTC)


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


def words_of(letter):
    """Its text and its HTML."""
    return [" ".join(letter.get_body((kind,)).get_content().split()) for kind in ("plain", "html")]


@pytest.fixture
async def letter_of(desk, work, mailbox, agent, ticket):
    """Records an event and gives the letter that somebody gets."""
    await work.run()

    async def got(person, event, **changes):
        mailbox.letters.clear()
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, ticket.uuid)
            unit.change(row, **changes) if changes else None
            history.record(unit, agent.id, row, event(unit) if callable(event) else event)
        await work.run()
        (letter,) = mailbox.to(person.email)
        return letter

    return got


@pytest.fixture
def on_hold(letter_of):
    async def got(person):
        event = StatusChanged(OPEN, ON_HOLD, "Waits for the fire brigade.", RESUMES)
        return await letter_of(person, event, status=ON_HOLD)

    return got


@pytest.fixture
def speaks(database):
    async def set_(person, locale, zone=None):
        sql = "UPDATE people SET locale = :locale, time_zone = :zone WHERE id = :id"
        await database.rows(sql, locale=locale, zone=zone, id=person.id)

    return set_


@pytest.mark.parametrize(
    ("locale", "zone", "expected"),
    [
        (None, None, ["Hello Carla Customer,", "It is on hold.", "It continues on March 1, 2027, 10:30"]),
        ("en-GB", "Europe/London", ["It is on hold.", "1 March 2027, 22:30"]),
        ("de-AT", "Europe/Vienna", ["Guten Tag Carla Customer,", "ruht", "1. März 2027, 23:30"]),
        ("fr", "Europe/Paris", ["Bonjour Carla Customer,", "en attente", "1 mars 2027, 23:30"]),
        ("es", "America/Bogota", ["Hola, Carla Customer:", "en espera", "1 de marzo de 2027, 17:30"]),
        ("ja", "Nowhere/Land", ["Hello Carla Customer,", "It is on hold.", "March 1, 2027, 10:30"]),
        ("nonsense!", "", ["Hello Carla Customer,"]),
    ],
)
async def test_everybody_reads_it_in_their_language_and_zone(on_hold, speaks, customer, locale, zone, expected):
    await speaks(customer, locale, zone)
    for words in words_of(await on_hold(customer)):
        said = words.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")
        assert [part for part in expected if part not in said] == []
        assert "Waits for the fire brigade." not in said  # which is for the desk


async def test_a_link_stands_behind_its_name_as_french_has_it(on_hold, speaks, customer):
    await speaks(customer, "fr")
    text = (await on_hold(customer)).get_body(("plain",)).get_content()
    assert "Tout lire et répondre\N{NO-BREAK SPACE}:\r\n" in text
    assert "e-mails\N{NO-BREAK SPACE}: http://" in text


async def test_emails_about_a_ticket_are_one_thread(on_hold, mailbox, work, ticket, customer):
    first = await on_hold(customer)
    assert first["Subject"] == f"Re: [#{ticket.number}] Printer on fire"
    assert first["In-Reply-To"] == first["References"] == f"<ticket.{ticket.id}@example.com>"
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.com>", first["Message-ID"])
    assert first["Auto-Submitted"] == "auto-generated"


async def test_each_text_has_its_own_direction_and_the_way_out_is_no_part_of_it(on_hold, database, customer):
    await database.rows("UPDATE tickets SET subject = 'היצוא נעצר ב-90%!'")
    letter = await on_hold(customer)
    text, html = (letter.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert re.search(r'<h1 dir="auto"[^>]*>#\d+ היצוא', html)
    assert "\r\n-- \r\nNo more emails like this one: " in text  # by which programs know that more is no answer to quote


async def test_one_click_turns_off_what_the_email_is_about(http, on_hold, database, customer):
    letter = await on_hold(customer)
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = re.fullmatch(r"<http://desk\.test(/unsubscribe/[\w.-]+)>", letter["List-Unsubscribe"])[1]
    for words in words_of(letter):
        assert f"http://desk.test{path}" in words

    shown = await http.get(path)
    assert (shown.status_code, "No more of these" in shown.text) == (200, True)
    assert "Would you like no more emails like the one that led here?" in shown.text  # nothing has happened yet
    assert await database.rows("SELECT 1 FROM notification_preferences") == []

    for _ in range(2):
        done = await http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
    assert await database.rows("SELECT person_id, kind, channel, enabled FROM notification_preferences") == [
        {"person_id": customer.id, "kind": "STATUS_CHANGED", "channel": "EMAIL", "enabled": False}
    ]


async def test_all_that_can_be_is_turned_off(http, on_hold, database, customer):
    letter = await on_hold(customer)
    path = letter["List-Unsubscribe"].strip("<>").removeprefix("http://desk.test")

    assert (await http.post(path, data={"all": "1"})).status_code == 200

    rows = await database.rows("SELECT kind FROM notification_preferences WHERE channel = 'EMAIL' AND NOT enabled")
    assert {row["kind"] for row in rows} == {kind.name for kind in NotificationKind} - {"TICKET_RESOLVED"}


async def test_they_are_asked_in_their_language(http, on_hold, database, customer):
    letter = await on_hold(customer)
    path = letter["List-Unsubscribe"].strip("<>").removeprefix("http://desk.test")
    await database.rows("UPDATE people SET locale = 'de-AT' WHERE id = :id", id=customer.id)
    shown, done = await http.get(path), await http.post(path)
    assert all('<html lang="de-AT">' in page.text for page in (shown, done))
    assert "Keine solchen mehr" in shown.text
    assert "Es kommen keine solchen E-Mails mehr. In Deskwire" in done.text


async def test_a_forged_link_turns_off_nothing(http, on_hold, database, customer):
    letter = await on_hold(customer)
    path = letter["List-Unsubscribe"].strip("<>").removeprefix("http://desk.test")
    for wrong in (path[:-2], path.replace("/unsubscribe/", "/unsubscribe/x"), "/unsubscribe/x"):
        for method in ("GET", "POST"):
            assert (await http.request(method, wrong)).status_code == 404
    assert await database.rows("SELECT 1 FROM notification_preferences") == []


@pytest.fixture
def resolved(support, agent, ticket):
    def event(unit):
        row = unit.insert(
            models.Resolution,
            ticket_id=ticket.uuid,
            summary="Turned it **off** <script>.",
            summary_html="<p>Turned it <strong>off</strong>.</p>",
            resolved_at=unit.now,
            resolved_by_id=agent.id,
            assignee_id=None,
            department_id=support.id,
            escalation_level=None,
            state=models.ResolutionState.AWAITING,
            confirm_by=RESUMES,
            reminded_at=None,
            answered_at=None,
            rating=None,
            feedback=None,
            rated_at=None,
        )
        return TicketResolved(row.id)

    return event


async def test_buttons_are_cells_since_outlook_gives_links_no_room(letter_of, resolved, customer):
    """Nor borders: five links would be one number."""
    letter = await letter_of(customer, resolved, status=TicketStatus.RESOLVED)
    html = letter.get_body(("html",)).get_content()
    links = re.findall(r"<a [^>]*padding[^>]*>([^<]*)</a>", html)
    cells = re.findall(r"<td [^>]*style=\"[^\"]*mso-padding-alt:[^\"]*\"><a [^>]*padding[^>]*>([^<]*)</a></td>", html)
    assert links == cells == ["Confirm it, or open it again", "1", "2", "3", "4", "5"]
    assert html.count("<table ") == html.count('<table role="presentation"') == 3


async def test_what_has_a_color_has_another_one_in_the_dark(letter_of, resolved, customer):
    """All but the button, which is white on blue in both."""
    letter = await letter_of(customer, resolved, status=TicketStatus.RESOLVED)
    html = letter.get_body(("html",)).get_content()
    _, _, dark = html.partition("@media (prefers-color-scheme: dark)")
    named = set(re.findall(r"\.(\w+)", dark.partition("</style>")[0]))
    colored = re.findall(r"<([^>]+style=\"[^\"]*#[0-9a-f]{6}[^>]+)>", html)
    classes = [set(re.findall(r"\w+", *re.findall(r"class=\"(.+?)\"", tag) or [""])) for tag in colored]
    alike = [tag for tag, found in zip(colored, classes, strict=True) if not found & named]
    assert len(colored) > len(alike) == 2
    assert all("background:#1f5fd1" in tag or "color:#ffffff" in tag for tag in alike)


async def test_a_solution_is_told_with_the_way_to_confirm_it_and_without_a_way_out(letter_of, resolved, customer):
    letter = await letter_of(customer, resolved, status=TicketStatus.RESOLVED)

    text, html = words_of(letter)
    assert "Ada Agent has solved it." in text
    assert "Turned it **off** <script>." in text
    assert "<strong>off</strong>" in html
    assert "<script>" not in html
    assert "Please confirm it" in text
    assert "An answer to this email opens it again." in text
    assert re.search(r"http://desk\.test/t/\S+", text)
    # A word of a subject that is longer than a phone is wide makes no mail wider.
    assert 0 < html.find("overflow-wrap:anywhere") < html.find("<h1 ")
    assert (letter["List-Unsubscribe"], letter["List-Unsubscribe-Post"]) == (None, None)


async def test_staff_read_what_is_for_them(letter_of, house, database, ticket, agent, support):
    await database.rows("UPDATE tickets SET assignee_id = :who WHERE id = :id", who=agent.id, id=ticket.uuid)
    lead = await house.person("Leo Lead", models.Role.TEAM_LEAD, support)
    await database.rows("INSERT INTO watchers VALUES (:t, :p)", t=ticket.uuid, p=lead.id)

    letter = await letter_of(lead, StatusChanged(OPEN, ON_HOLD, "Waits for <b>them</b>.", RESUMES), status=ON_HOLD)

    text, html = words_of(letter)
    assert "Waits for <b>them</b>." in text
    assert "Waits for &lt;b&gt;them&lt;/b&gt;." in html
    assert "/t/" not in text


async def test_why_it_was_closed_is_told_to_staff_alone(letter_of, house, database, desk, ticket, customer, support):
    lead = await house.person("Leo Lead", models.Role.TEAM_LEAD, support)
    await database.rows("INSERT INTO watchers VALUES (:t, :p)", t=ticket.uuid, p=lead.id)
    async with desk.writes.begin() as unit:  # it was solved once, and opened again
        row = await unit.lock(one, ticket.uuid)
        for event in (ResolutionConfirmed(new_id(), None, None), TicketReopened(None)):
            history.record(unit, customer.id, row, event)

    event = TicketClosed(expired=False, close_reason="Asks only to annoy.")
    for reader, told in ((customer, False), (lead, True)):
        letter = await letter_of(reader, event, status=TicketStatus.CLOSED)
        for text in words_of(letter):
            assert "Ada Agent has closed it." in text
            assert ("Asks only to annoy." in text) == told


async def test_whoever_is_given_a_ticket_reads_what_was_asked(letter_of, house, support, ticket):
    lead = await house.person("Leo Lead", models.Role.TEAM_LEAD, support)

    text, html = words_of(await letter_of(lead, TicketAssigned(None, lead.id), assignee_id=lead.id))

    assert "Ada Agent has assigned it to you." in text
    assert "It **burns**." in text
    assert "<strong>burns</strong>" in html


@pytest.mark.parametrize("place", ["number", "id"])
async def test_mail_to_staff_leads_to_the_ticket_in_the_front_end(
    desk, letter_of, house, database, support, ticket, customer, monkeypatch, place
):
    shown = f"https://desk.example.com/tickets/{{{place}}}?from=mail"
    changed = desk.settings.model_copy(update={"ticket_url": shown})
    monkeypatch.setattr(type(desk), "settings", property(lambda _: changed))
    lead = await house.person("Leo Lead", models.Role.TEAM_LEAD, support)
    await database.rows("UPDATE tickets SET assignee_id = :who WHERE id = :id", who=lead.id, id=ticket.uuid)

    to_lead = words_of(await letter_of(lead, StatusChanged(OPEN, ON_HOLD, None, RESUMES), status=ON_HOLD))[0]
    to_customer = words_of(await letter_of(customer, StatusChanged(ON_HOLD, OPEN, None, None), status=OPEN))[0]

    known = {"number": ticket.number, "id": ticket.gid}
    assert f"https://desk.example.com/tickets/{known[place]}?from=mail" in to_lead
    assert "desk.example.com" not in to_customer
    assert "http://desk.test/t/" in to_customer


async def test_whoever_may_answer_by_mail_is_told_who_reads_it(
    desk, mailbox, work, house, database, agent, customer, ticket
):
    await database.rows("UPDATE tickets SET assignee_id = :who WHERE id = :id", who=agent.id, id=ticket.uuid)
    await work.run()
    mailbox.letters.clear()
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        history.record(unit, customer.id, row, StatusChanged(ON_HOLD, OPEN, None, None))
        history.record(unit, None, row, SlaBreached(SlaTargetKind.RESOLUTION, RESUMES))
        first = unit.insert(
            models.Comment, ticket_id=row.id, author_id=agent.id, body="Hm", body_html="<p>Hm</p>", internal=False,
            channel=models.TicketChannel.PORTAL, created_at=unit.now, edited_at=None, deleted_at=None,
        )  # fmt: skip
        history.record(unit, agent.id, row, happenings.CommentAdded(first.id))
    await work.run()

    (theirs,) = mailbox.to(customer.email)
    assert "You can simply answer this email." in words_of(theirs)[0]
    (ours,) = mailbox.to(agent.email)  # which tells of the missed target above all
    assert "An answer to this email stays within the desk." in words_of(ours)[0]
    mailbox.letters.clear()
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        history.record(unit, customer.id, row, StatusChanged(ON_HOLD, OPEN, None, None))
    await work.run()
    (ours,) = mailbox.to(agent.email)
    assert "An answer to this email is read by the customer." in words_of(ours)[0]


async def test_only_while_a_ticket_takes_answers_the_mail_says_what_becomes_of_one(
    desk, mailbox, work, database, agent, customer, ticket
):
    await work.run()
    for status, expected in (("RESOLVED", ["opens it again", "is read by the customer"]), ("CLOSED", [])):
        sql = "UPDATE tickets SET status = :status, assignee_id = :who WHERE id = :id"
        await database.rows(sql, status=status, who=agent.id, id=ticket.uuid)
        mailbox.letters.clear()
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, ticket.uuid)
            comment = unit.insert(
                models.Comment, ticket_id=row.id, author_id=None, body="Hm", body_html="<p>Hm</p>", internal=False,
                channel=models.TicketChannel.PORTAL, created_at=unit.now, edited_at=None, deleted_at=None,
            )  # fmt: skip
            history.record(unit, None, row, happenings.CommentAdded(comment.id))
        await work.run()
        said = "".join(words_of(*mailbox.to(viewer.email))[0] for viewer in (customer, agent))
        assert re.findall(r"answer to this email ([^.]*)\.", said) == expected


async def test_a_missed_target_says_when_it_was_due(desk, work, mailbox, database, ticket, agent, speaks):
    await work.run()
    await speaks(agent, "de", "Europe/Berlin")
    await database.rows("UPDATE tickets SET assignee_id = :who WHERE id = :id", who=agent.id, id=ticket.uuid)
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        history.record(unit, None, row, SlaBreached(SlaTargetKind.RESOLUTION, RESUMES))
    await work.run()

    (letter,) = mailbox.to(agent.email)
    assert "1. März 2027, 23:30" in words_of(letter)[0]


async def test_sign_in_mail_has_no_thread_and_no_way_out(api, work, mailbox, customer, speaks):
    await speaks(customer, "fr")
    await api(None, 'mutation { requestSignInLink(input: {email: "carla.customer@example.com"}) { __typename } }')
    await work.run()

    (letter,) = mailbox.letters
    assert letter["Subject"] == "Votre lien de connexion"
    assert [letter[name] for name in ("List-Unsubscribe", "References", "In-Reply-To")] == [None] * 3


async def test_the_desks_own_words_replace_ours(desk, on_hold, speaks, customer, ticket):
    texts = {"en": "English", "de": "Ticket {{number}}\n{{ subject }} **{{status}}** {{unknown}} {{name}} <b>"}
    texts["pl"] = "Polski"  # which we don't speak
    async with desk.writes.begin() as unit:
        for locale, body in texts.items():
            unit.insert(
                models.MessageTemplate,
                name=locale,
                use=models.MessageTemplateUse.EMAIL,
                kind=NotificationKind.STATUS_CHANGED,
                locale=locale,
                subject="Neues zu {{number}}",
                body=body,
                department_id=None,
                updated_at=unit.now,
            )
    await speaks(customer, "de-CH")
    letter = await on_hold(customer)

    text, html = words_of(letter)
    assert letter["Subject"] == f"Neues zu {ticket.number}"
    assert f"Ticket {ticket.number} Printer on fire" in text
    assert "<strong>Ruht</strong> {{unknown}} Carla Customer &lt;b&gt;" in html
    assert "border-left:3px" not in html  # it is what the desk says, and no quote
    assert letter["List-Unsubscribe"]
    await speaks(customer, "es")
    assert "English" in words_of(await on_hold(customer))[0]
    await speaks(customer, "pl-PL")
    assert "Polski" in words_of(await on_hold(customer))[0]


async def test_mail_that_is_not_to_go_out_yet_waits(desk, work, mailbox, database, customer, ticket):
    await work.run()
    mailbox.letters.clear()
    (message,) = await database.rows("SELECT id FROM messages WHERE ticket_id = :id", id=ticket.uuid)
    sql = "UPDATE messages SET status = 'QUEUED', not_before = now() + interval '1 hour', attempts = 0"
    await database.rows(sql)
    async with desk.writes.begin() as unit:
        unit.enqueue(SendMessage(message["id"]))
    (job,) = await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED'")
    assert await jobs.perform(desk, job["id"])

    assert mailbox.letters == []
    assert await database.rows("SELECT status, attempts FROM messages") == [{"status": "QUEUED", "attempts": 0}]
    sql = "SELECT due_at > now() + interval '50 minutes' AS later FROM jobs WHERE state = 'QUEUED'"
    assert await database.rows(sql) == [{"later": True}]


async def put_on_hold(desk, ticket, *readers):
    """The ticket rests, and each of these is to be told so by a letter, as soon as work is done."""
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        event = history.record(unit, None, row, StatusChanged(ON_HOLD, OPEN, None, None))
        for person in readers:
            part = messages.Part(row, NotificationKind.STATUS_CHANGED, [event.id])
            messages.write_about(unit, person.id, person.email, [part], kind=NotificationKind.STATUS_CHANGED)


@pytest.mark.parametrize("internal", [False, True])
async def test_who_has_lost_the_right_to_read_it_meanwhile_gets_no_letter(
    desk, work, mailbox, house, database, support, ticket, internal
):
    """Of what is internal not even who still sees the ticket, since they watch it."""
    lead = await house.person("Leo Lead", models.Role.TEAM_LEAD, support)
    if internal:
        await database.rows("INSERT INTO watchers VALUES (:t, :p)", t=ticket.uuid, p=lead.id)
    await work.run()
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        event = history.record(unit, None, row, StatusChanged(ON_HOLD, OPEN, None, None), internal=internal)
        part = messages.Part(row, NotificationKind.STATUS_CHANGED, [event.id])
        messages.write_about(unit, lead.id, lead.email, [part], kind=NotificationKind.STATUS_CHANGED)
    await database.rows("DELETE FROM memberships WHERE person_id = :id", id=lead.id)

    await work.run()

    assert mailbox.to(lead.email) == []
    sql = "SELECT status FROM messages WHERE recipient_id = :id"
    assert await database.rows(sql, id=lead.id) == [{"status": "SKIPPED"}]


async def test_letters_that_go_together_fail_alone(desk, work, mailbox, database, customer, agent, ticket, monkeypatch):
    await work.run()
    mailbox.letters.clear()
    await put_on_hold(desk, ticket, customer, agent)
    await database.rows("DELETE FROM jobs WHERE kind <> 'SendMessage'")
    said = drafts.written

    def breaks(desk, message_id, person, draft, **more):
        if person.email == agent.email:
            raise ValueError
        return said(desk, message_id, person, draft, **more)

    with monkeypatch.context() as patched:
        patched.setattr(drafts, "written", breaks)
        await jobs.perform_together(desk, "SendMessage")

    assert [letter.bcc for letter in mailbox.letters] == [[customer.email]]
    sql = "SELECT status, attempts FROM messages WHERE recipient_id = :id AND kind = 'STATUS_CHANGED'"
    assert await database.rows(sql, id=customer.id) == [{"status": "SENT", "attempts": 1}]
    assert await database.rows(sql, id=agent.id) == [{"status": "QUEUED", "attempts": 1}]
    await database.rows("UPDATE jobs SET due_at = now()")
    await work.run()
    assert [letter.bcc for letter in mailbox.letters] == [[customer.email], [agent.email]]


async def test_a_slow_letter_keeps_no_other_from_being_settled(desk, work, mailbox, database, customer, agent, ticket):
    """Who would be killed meanwhile would send those again that went."""
    await work.run()
    await put_on_hold(desk, ticket, customer, agent)
    go, handed_over = asyncio.Event(), desk.mail.send

    class Slow:
        async def send(self, letter, **options):
            if letter.to == agent.email:
                await go.wait()
            await handed_over(letter, **options)

    slow = dataclasses.replace(desk, mail=Slow())
    performing = asyncio.create_task(jobs.perform_together(slow, "SendMessage"))
    sql = "SELECT status FROM messages WHERE recipient_id = :id AND kind = 'STATUS_CHANGED'"
    async with asyncio.timeout(5):
        while await database.rows(sql, id=customer.id) != [{"status": "SENT"}]:  # noqa: ASYNC110 # it happens elsewhere
            await asyncio.sleep(0.05)
    assert await database.rows(sql, id=agent.id) == [{"status": "QUEUED"}]
    go.set()
    await performing
    assert await database.rows(sql, id=agent.id) == [{"status": "SENT"}]


async def test_of_what_was_erased_no_letter_is_written(desk, api, work, mailbox, database, customer, agent, ticket):
    await database.rows("UPDATE tickets SET assignee_id = :who", who=agent.id)
    await work.run()
    mailbox.letters.clear()
    add = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await api(customer, add, input={"ticketId": ticket.gid, "body": "My name is Carla."})
    await erasing.erase_person(desk, customer.id, lambda _: None)

    await work.run()

    assert mailbox.to(agent.email) == []
    sql = "SELECT status FROM messages WHERE kind = 'COMMENT_ADDED'"
    assert await database.rows(sql) == [{"status": "SKIPPED"}]
