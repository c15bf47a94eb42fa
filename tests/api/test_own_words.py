"""The desk's own words in messages: what fills them in, in which language they are said, and when ours are said."""

from uuid import UUID

import pytest
from sqlalchemy import select

import models
from domain import history
from domain.happenings import TicketAssigned
from domain.jobs import SendMessage
from models import NotificationKind

ADD = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
SCHEDULE = "mutation ($input: ScheduleMaintenanceInput!) { scheduleMaintenance(input: $input) { __typename } }"
TOLD = "{ viewer { notifications { nodes { title body } } } }"


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
def worded(desk):
    """Words a kind of message, by mail unless told otherwise."""

    async def kept(kind, body, subject=None, *, locale="en", use="EMAIL"):
        async with desk.writes.begin() as unit:
            unit.insert(
                models.MessageTemplate,
                name=f"{kind} {locale} {use}",
                use=models.MessageTemplateUse[use],
                kind=NotificationKind[kind],
                locale=locale,
                subject=subject,
                body=body,
                department_id=None,
                updated_at=unit.now,
            )

    return kept


@pytest.fixture
def says(api, work, mailbox, ticket):
    """Comments on the ticket; gives the letter that somebody gets."""

    async def got(author, reader, body="Is it **red**?", **given):
        await work.run()
        mailbox.letters.clear()
        await api(author, ADD, input={"ticketId": ticket.gid, "body": body, **given})
        await work.run()
        (letter,) = mailbox.to(reader.email)
        return letter

    return got


@pytest.fixture
def assigned(desk, work, mailbox, agent, director):
    """Assigns tickets to the agent, all of them at once; gives the letter that tells of that."""

    async def got(*tickets):
        async with desk.writes.begin() as unit:
            for each in tickets:
                row = await unit.lock(one, UUID(each["id"].removeprefix("tkt_")))
                unit.change(row, assignee_id=agent.id)
                history.record(unit, director.id, row, TicketAssigned(None, agent.id))
        await work.run()
        return mailbox.to(agent.email)[-1]

    return got


def parts(letter):
    return [letter.get_body((kind,)).get_content() for kind in ("plain", "html")]


async def test_a_comment_is_told_whatever_happened_with_it(worded, says, agent, customer):
    await worded("COMMENT_ADDED", "{{author}} says: {{comment}} ({{status}})", "{{author}} on {{number}}")

    letter = await says(agent, customer, thenStatus="PENDING")

    text, html = parts(letter)
    assert letter["Subject"].startswith("Ada Agent on ")
    assert text.startswith("Ada Agent says: Is it **red**? (Pending)")
    assert "<p>Ada Agent says: Is it <strong>red</strong>? (Pending)</p>" in html
    assert "<p></p>" not in html


async def test_of_a_comment_that_is_gone_the_desk_says_nothing(
    worded, says, desk, work, mailbox, agent, customer, ticket, database
):
    await worded("COMMENT_ADDED", "{{author}} says: {{comment}}", "News")
    assert (await says(agent, customer, thenStatus="PENDING"))["Subject"] == "News"
    mailbox.letters.clear()
    await database.rows("UPDATE comments SET body = NULL, body_html = NULL, deleted_at = now()")
    sql = "UPDATE messages SET status = 'QUEUED', sent_at = NULL WHERE kind = 'COMMENT_ADDED' RETURNING id"
    (waiting,) = await database.rows(sql)
    async with desk.writes.begin() as unit:
        unit.enqueue(SendMessage(waiting["id"]))
    await work.run()

    (letter,) = mailbox.to(customer.email)
    assert letter["Subject"] == f"Re: [#{ticket.number}] Printer on fire"
    assert "We are waiting for your answer." in parts(letter)[0]


async def test_an_email_of_many_tickets_tells_of_all(
    worded, assigned, desk, work, submit, customer, problem, monkeypatch
):
    changed = desk.settings.model_copy(update={"ticket_url": "https://desk.example.com/{number}"})
    monkeypatch.setattr(type(desk), "settings", property(lambda _: changed))
    await worded("TICKET_ASSIGNED", "You have {{subject}}.", "Yours: {{number}}")
    made = [await submit(customer, problem, subject=f"Fire {number}") for number in range(2)]
    await work.run()

    both, alone = await assigned(*made), await assigned(made[0])

    assert both["Subject"] == "News of 2 tickets"
    for each in made:
        link, heading = f"https://desk.example.com/{each['number']}", f"#{each['number']} {each['subject']}"
        assert f"{heading}\r\n{link}\r\n\r\n" in parts(both)[0]
        assert f'<a class="link" href="{link}" style="color:#1f5fd1">{heading}</a>' in parts(both)[1]
    assert all(f"Fire {number}" in part for number in range(2) for part in parts(both))
    assert alone["Subject"] == f"Yours: {made[0]['number']}"
    assert "You have Fire 0." in parts(alone)[0]


async def test_what_is_left_of_an_email_of_many_promises_no_answer(
    assigned, desk, work, mailbox, submit, agent, customer, problem, database
):
    """Nobody would know any more which of them an answer is for."""
    made = [await submit(customer, problem, subject=f"Fire {number}") for number in range(2)]
    await work.run()
    assert "An answer to this email" not in parts(await assigned(*made))[0]
    await database.rows("UPDATE tickets SET assignee_id = NULL WHERE subject = 'Fire 1'")
    sql = "UPDATE messages SET status = 'QUEUED', sent_at = NULL WHERE recipient_id = :id RETURNING id"
    (waiting,) = await database.rows(sql, id=agent.id)
    async with desk.writes.begin() as unit:
        unit.enqueue(SendMessage(waiting["id"]))
    await work.run()

    text = parts(mailbox.to(agent.email)[-1])[0]
    assert ("Fire 0" in text, "Fire 1" in text, "An answer to this email" in text) == (True, False, False)


@pytest.mark.parametrize(
    ("reads", "said", "language", "way"),
    [
        ("pt-BR", "Em brasileiro", "pt-BR", "ltr"),
        ("pt-PT", "Em geral", "pt", "ltr"),
        ("PT-br", "Em brasileiro", "pt-BR", "ltr"),
        ("de-FR", "Auf Deutsch", None, None),  # which is the language of all of it
        ("it", "In English", None, None),
        ("he-IL", "OK: בעברית", "he", "rtl"),
    ],
)
async def test_they_may_be_in_a_language_that_we_do_not_speak(
    worded, says, api, database, agent, customer, reads, said, language, way
):
    for locale, text in (
        ("pt-BR", "Em brasileiro"),
        ("pt", "Em geral"),
        ("DE", "Auf Deutsch"),
        ("en", "In English"),
        ("he", "OK: בעברית"),
    ):
        await worded("COMMENT_ADDED", text, text, locale=locale)
        await worded("COMMENT_ADDED", text, text, locale=locale, use="IN_APP")
    await database.rows("UPDATE people SET locale = :locale WHERE id = :id", locale=reads, id=customer.id)

    letter = await says(agent, customer)

    assert letter["Subject"] == said
    html = parts(letter)[1]
    assert (f'<div lang="{language}" dir="{way}">' in html) == (language is not None)
    told = (await api(customer, TOLD))["viewer"]["notifications"]["nodes"][0]
    assert told == {"title": said, "body": said}


async def test_maintenance_is_told_in_them_too(worded, api, house, database, customer, support, work, mailbox):
    await worded("MAINTENANCE", "Manutenção: {{subject}}", "Manutenção", locale="pt-BR")
    await database.rows("UPDATE people SET locale = 'pt-BR' WHERE id = :id", id=customer.id)
    manager, service = await house.person("Mia", models.Role.MANAGER, support), await house.service("Mail")
    await api(
        manager,
        SCHEDULE,
        input={
            "title": "New *disks*",
            "message": "It rests.",
            "severity": "MAJOR",
            "serviceIds": [service.gid],
            "audience": "EVERYONE",
            "startsAt": "2101-06-01T10:00:00Z",
            "endsAt": "2101-06-01T12:30:00Z",
        },
    )
    await work.run()

    (letter,) = mailbox.to(customer.email)
    text, html = parts(letter)
    assert letter["Subject"] == "Manutenção"
    assert "Manutenção: Planned maintenance: New *disks*" in text
    assert "<p>Manutenção: Planned maintenance: New *disks*</p>" in html


async def test_where_nothing_is_left_of_them_we_say_it(worded, says, api, agent, customer, ticket):
    for use in ("EMAIL", "IN_APP"):
        await worded("COMMENT_ADDED", "{{agent}}", "{{agent}}", use=use)  # nobody has it

    letter = await says(agent, customer)

    assert letter["Subject"] == f"Re: [#{ticket.number}] Printer on fire"
    assert "Ada Agent has written:" in parts(letter)[0]
    told = (await api(customer, TOLD))["viewer"]["notifications"]["nodes"][0]
    assert told["title"] == f"New comment on ticket #{ticket.number}"


async def test_a_subject_stays_short(worded, says, api, agent, customer):
    for use in ("EMAIL", "IN_APP"):
        await worded("COMMENT_ADDED", "x", "On {{comment}}", use=use)

    letter = await says(agent, customer, "x" * 20_000)

    assert letter["Subject"] == "On " + "x" * 196 + "…"
    assert (await api(customer, TOLD))["viewer"]["notifications"]["nodes"][0]["title"] == letter["Subject"]


async def test_nobody_words_a_link_by_a_name(worded, says, api, database, agent, customer):
    name = "[Sign in](https://evil.example) *now*"
    await database.rows("UPDATE people SET name = :name WHERE id = :id", name=name, id=customer.id)
    await database.rows("UPDATE tickets SET assignee_id = :id", id=agent.id)
    for use in ("EMAIL", "IN_APP"):
        await worded("COMMENT_ADDED", "{{author}} says: {{comment}}", use=use)

    text, html = parts(await says(customer, agent))

    assert f"{name} says: Is it **red**?" in text
    assert ">Sign in</a>" not in html
    assert "*now* says: Is it <strong>red</strong>?" in html
    told = (await api(agent, TOLD))["viewer"]["notifications"]["nodes"][0]
    assert told["body"] == f"{name} says: Is it red?"
