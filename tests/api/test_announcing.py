"""Who is told of what: every kind of event, in the app and by email, each person once."""

import datetime as dt
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select

import models
from domain import announcing, audiences, happenings, history
from domain.happenings import (
    CommentAdded,
    PriorityChanged,
    RequesterChanged,
    ResolutionConfirmed,
    SlaBreached,
    StatusChanged,
    TicketAssigned,
    TicketClosed,
    TicketEscalated,
    TicketMerged,
    TicketReopened,
    TicketResolved,
    TicketRouted,
    WatchersChanged,
)
from domain.jobs import Announce
from domain.notifications import TITLES
from infra.ids import new_id
from models import EscalationLevel, NotificationKind, Role, SlaTargetKind, TicketPriority, TicketStatus

OPEN, PENDING = TicketStatus.OPEN, TicketStatus.PENDING


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
async def cast(desk, database, house, support, billing, customer, agent, ticket, work, mailbox):
    """Everybody who may have to do with the ticket, after all was told that happened before."""
    made = SimpleNamespace(
        customer=customer,
        agent=agent,  # a member of the department
        lead=await house.person("Leo Lead", Role.TEAM_LEAD, support),
        assignee=await house.person("Otto Outside", Role.AGENT),
        watcher=await house.person("Wanda Watcher"),
        staff_watcher=await house.person("Will Watching", Role.TEAM_LEAD, billing),  # no lead of the ticket's
        manager=await house.person("Mona Manager", Role.MANAGER, support),
        gone=await house.person("Gone Gary", Role.AGENT, support),
        stranger=await house.person("Stella Stranger"),
        elsewhere=await house.person("Bill Billing", Role.AGENT, billing),
    )
    async with desk.writes.begin() as unit:
        for person in (made.watcher, made.staff_watcher):
            unit.insert(models.Watcher, ticket_id=ticket.uuid, person_id=person.id)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=made.gone.id)
    await work.run()
    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()
    made.names = {person.id: name for name, person in vars(made).items()}
    made.addresses = {person.email: name for name, person in vars(made).items() if name != "names"}
    return made


@pytest.fixture
def give(database, cast, ticket):
    """Gives the ticket to its assignee, without anything being told."""

    async def given():
        sql = "UPDATE tickets SET assignee_id = :who WHERE id = :id"
        await database.rows(sql, who=cast.assignee.id, id=ticket.uuid)

    return given


@pytest.fixture
async def second(submit, cast, problem, work, mailbox, database):
    found = await submit(cast.customer, problem, subject="Second fire")
    await work.run()
    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()
    return found


@pytest.fixture
def happen(desk, work, ticket):
    """Records events in one unit, by somebody, and has them told."""

    async def happened(actor, *events, internal=None, **changes):
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, ticket.uuid)
            if changes:
                unit.change(row, **changes)
            for event in events:
                history.record(
                    unit, actor and actor.id, row, event(unit) if callable(event) else event, internal=internal
                )
        await work.run()

    return happened


@pytest.fixture
def told(database, cast, mailbox):
    """Who was told what in the app, and who by email."""

    async def found():
        rows = await database.rows("SELECT person_id, kind FROM notifications ORDER BY person_id, seq")
        app = {}
        for row in rows:
            app.setdefault(cast.names[row["person_id"]], []).append(row["kind"])
        kinds = {name: kinds[0] if len(kinds) == 1 else kinds for name, kinds in app.items()}
        return kinds, sorted(cast.addresses[letter.bcc[0]] for letter in mailbox.letters)

    return found


def resolution(cast, ticket):
    def made(unit):
        row = unit.insert(
            models.Resolution,
            ticket_id=ticket.uuid,
            summary="Turned it *off*.",
            summary_html="<p>Turned it <em>off</em>.</p>",
            resolved_at=unit.now,
            resolved_by_id=cast.agent.id,
            assignee_id=None,
            department_id=(unit.department_id),
            escalation_level=None,
            state=models.ResolutionState.AWAITING,
            confirm_by=unit.now + dt.timedelta(days=7),
            reminded_at=None,
            answered_at=None,
            rating=None,
            feedback=None,
            rated_at=None,
        )
        return row.id

    return made


@pytest.fixture
def resolved(cast, ticket, support):
    """The event of a resolution, whose row it writes."""

    def event(unit):
        unit.department_id = support.id
        return TicketResolved(resolution(cast, ticket)(unit))

    return event


@pytest.fixture
def rated(cast, ticket, support):
    def by(rating):
        def event(unit):
            unit.department_id = support.id
            return ResolutionConfirmed(resolution(cast, ticket)(unit), rating, "It still smells.")

        return event

    return by


@pytest.fixture
def escalated(cast, ticket):
    def event(unit):
        row = unit.insert(
            models.Escalation,
            ticket_id=ticket.uuid,
            level=EscalationLevel.MANAGER,
            reason="It burns on.",
            rule_id=None,
            escalated_by_id=None,
            escalated_to_ids=[cast.manager.id, cast.elsewhere.id, cast.gone.id],
            at=unit.now,
            acknowledged_at=None,
            acknowledged_by_id=None,
            ended_at=None,
        )
        return TicketEscalated(row.id, EscalationLevel.MANAGER)

    return event


def test_every_kind_that_is_announced_says_to_whom():
    announced = {kind for kind in happenings.KINDS.values() if kind.announced}
    assert announced == set(announcing.TABLE)
    assert {told.kind for rows in announcing.TABLE.values() for told in rows} <= set(announcing.WEIGHT)


async def test_what_one_unit_records_is_one_job(desk, work, ticket, customer):
    await work.run()
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        first = history.record(unit, customer.id, row, StatusChanged(OPEN, PENDING, None, None))
        await unit.flush()
        history.record(unit, customer.id, row, PriorityChanged(TicketPriority.LOW, TicketPriority.HIGH))
        second = history.record(unit, customer.id, row, TicketReopened(None))

    assert await work.asked(Announce) == [Announce([first.id, second.id])]


async def test_what_concerns_nobody_asks_for_nothing(work, happen, cast):
    await happen(
        cast.agent,
        PriorityChanged(TicketPriority.LOW, TicketPriority.HIGH),
        WatchersChanged([cast.stranger.id], []),
    )
    assert await work.asked(Announce) == []


async def test_a_status_is_told_to_those_whose_ticket_it_is(happen, told, give, cast):
    await give()
    await happen(cast.agent, StatusChanged(OPEN, PENDING, None, None), status=PENDING)

    people = ["assignee", "customer", "staff_watcher", "watcher"]
    assert await told() == (dict.fromkeys(people, "STATUS_CHANGED"), people)


async def test_who_was_shut_out_hears_of_nothing(happen, told, cast, database):
    shut_out = [cast.customer.id, cast.watcher.id]
    await database.rows("UPDATE people SET active = false WHERE id = ANY(CAST(:ids AS uuid[]))", ids=shut_out)

    await happen(cast.agent, StatusChanged(OPEN, PENDING, None, None), status=PENDING)

    assert await told() == ({"staff_watcher": "STATUS_CHANGED"}, ["staff_watcher"])


async def test_nobody_hears_of_what_they_did(happen, told, give, cast):
    await give()
    await happen(cast.assignee, TicketClosed(expired=False, close_reason=None), status=TicketStatus.CLOSED)

    people = ["customer", "staff_watcher", "watcher"]
    assert await told() == (dict.fromkeys(people, "STATUS_CHANGED"), people)


async def test_a_solution_asks_its_requester_and_tells_the_others(happen, told, give, resolved, cast, mailbox):
    await give()
    await happen(cast.agent, resolved, status=TicketStatus.RESOLVED)

    kinds = dict.fromkeys(["assignee", "staff_watcher", "watcher"], "STATUS_CHANGED")
    assert await told() == (
        kinds | {"customer": "TICKET_RESOLVED"},
        ["assignee", "customer", "staff_watcher", "watcher"],
    )
    for letter in mailbox.letters:
        text = letter.get_body(("plain",)).get_content()
        assert ("Please confirm it" in text) == (letter.bcc == [cast.customer.email])


@pytest.mark.parametrize(
    ("rating", "to_leads"), [(None, []), (3, []), (2, ["lead", "manager"]), (1, ["lead", "manager"])]
)
async def test_what_the_customer_says_to_a_solution(happen, told, give, rated, cast, house, support, rating, to_leads):
    member = await house.person("Mia Member", Role.AGENT, support)  # who leads nobody
    cast.names[member.id] = cast.addresses[member.email] = "member"
    await give()
    await happen(cast.customer, rated(rating))

    people = sorted(["agent", "assignee", *to_leads])
    assert await told() == (dict.fromkeys(people, "RESOLUTION_CONFIRMED"), people)


async def test_reopening_is_told_to_whoever_has_it_else_to_the_department(happen, told, give, cast, database, mailbox):
    await happen(cast.customer, TicketReopened("It burns again."))

    watching = ["staff_watcher", "watcher"]
    team = ["agent", "lead", "manager"]
    assert await told() == (dict.fromkeys(team + watching, "TICKET_REOPENED"), watching)

    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()
    await give()
    await happen(cast.customer, TicketReopened(None))
    assert await told() == (dict.fromkeys(["assignee", *watching], "TICKET_REOPENED"), ["assignee", *watching])

    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()
    await happen(cast.lead, TicketReopened("We have found more."))
    concerned = ["assignee", "customer", *watching]
    assert await told() == (dict.fromkeys(concerned, "TICKET_REOPENED"), concerned)
    assert all("We have found more." in letter.get_body(("plain",)).get_content() for letter in mailbox.letters)


async def test_an_escalation_reaches_its_level_as_far_as_they_may_see_it(
    happen, told, give, escalated, cast, second, desk, mailbox
):
    await give()
    async with desk.writes.begin() as unit:  # that they watch another one lets nobody see this one
        unit.insert(models.Watcher, ticket_id=UUID(second["id"].removeprefix("tkt_")), person_id=cast.elsewhere.id)
    await happen(None, escalated)

    people = ["assignee", "customer", "manager", "staff_watcher", "watcher"]
    assert await told() == (dict.fromkeys(people, "TICKET_ESCALATED"), people)
    knowing = {cast.assignee.email, cast.manager.email}  # why is for those who work on it
    texts = {letter.bcc[0]: letter.get_body(("plain",)).get_content() for letter in mailbox.letters}
    assert {address for address, text in texts.items() if "It burns on." in text} == knowing


@pytest.mark.parametrize(
    ("level", "people"),
    [(EscalationLevel.MANAGER, []), (EscalationLevel.DIRECTOR, ["customer", "staff_watcher", "watcher"])],
)
async def test_one_that_reaches_nobody_is_news_where_no_higher_one_follows(happen, told, cast, level, people):
    await happen(None, TicketEscalated(new_id(), level))

    assert await told() == (dict.fromkeys(people, "TICKET_ESCALATED"), people)


async def test_a_missed_target_is_the_assignees_or_the_leads(happen, told, give, cast, database, mailbox):
    missed = SlaBreached(SlaTargetKind.RESOLUTION, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    await happen(None, missed)
    assert await told() == (dict.fromkeys(["lead", "manager"], "SLA_BREACHED"), ["lead", "manager"])

    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()
    await give()
    await happen(None, missed)
    assert await told() == ({"assignee": "SLA_BREACHED"}, ["assignee"])


async def test_a_missed_target_is_everybodys_where_there_is_no_lead(happen, told, cast, database):
    sql = "DELETE FROM memberships WHERE person_id = ANY(CAST(:ids AS uuid[]))"
    await database.rows(sql, ids=[cast.lead.id, cast.manager.id])

    await happen(None, SlaBreached(SlaTargetKind.RESOLUTION, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))

    assert await told() == ({"agent": "SLA_BREACHED"}, ["agent"])


async def test_an_assignment_is_told_to_whom_it_names(happen, told, cast):
    await happen(cast.lead, TicketAssigned(None, cast.agent.id), assignee_id=cast.agent.id)
    assert await told() == ({"agent": "TICKET_ASSIGNED"}, ["agent"])


async def test_what_staff_alone_hear_of_is_not_told_to_who_is_a_customer_by_now(happen, told, cast):
    await happen(cast.lead, TicketAssigned(None, cast.watcher.id), assignee_id=cast.watcher.id)
    assert await told() == ({}, [])


async def test_taking_a_ticket_tells_nobody(happen, told, cast):
    await happen(cast.agent, TicketAssigned(None, cast.agent.id), assignee_id=cast.agent.id)
    assert await told() == ({}, [])


async def test_another_department_hears_that_a_ticket_came(happen, told, cast, support, billing):
    await happen(cast.agent, TicketRouted(support.id, billing.id, None), department_id=billing.id)
    people = ["elsewhere", "staff_watcher"]
    assert await told() == (dict.fromkeys(people, "TICKET_SUBMITTED"), [])


async def test_that_a_ticket_came_is_news_to_those_alone_who_could_take_it(happen, told, give, cast, support, billing):
    """Not to who watches it from elsewhere, or has it by now and hears of that."""
    came = TicketRouted(billing.id, support.id, None), TicketAssigned(None, cast.agent.id)
    await happen(None, *came, assignee_id=cast.agent.id)

    news = {"agent": "TICKET_ASSIGNED", "lead": "TICKET_SUBMITTED", "manager": "TICKET_SUBMITTED"}
    assert await told() == (news, ["agent"])


async def test_whom_a_rule_sends_a_ticket_as_it_comes_in_is_told_once(happen, told, cast, support):
    await happen(None, TicketRouted(None, support.id, None))

    assert await told() == ({}, [])


async def test_another_requester_hears_that_it_is_theirs(happen, told, cast):
    event = RequesterChanged(cast.customer.id, cast.stranger.id)
    await happen(cast.agent, event, requester_id=cast.stranger.id)
    assert await told() == ({"stranger": "TICKET_RECEIVED"}, ["stranger"])


async def test_a_merge_is_told_of_the_ticket_that_went(happen, told, cast):
    await happen(cast.agent, TicketMerged(new_id(), took_in=True))
    assert await told() == ({}, [])

    await happen(cast.agent, TicketMerged(new_id(), took_in=False), TicketClosed(expired=False, close_reason=None))
    people = ["customer", "staff_watcher", "watcher"]
    assert await told() == (dict.fromkeys(people, "STATUS_CHANGED"), people)


async def test_what_is_internal_is_told_to_those_alone_who_work_on_it(happen, told, give, cast, database):
    await give()
    for role in (Role.AGENT, Role.CUSTOMER):  # who works here no more, works on no ticket that they still have
        await database.rows("UPDATE people SET role = :role WHERE id = :id", role=role.name, id=cast.assignee.id)
        await happen(cast.agent, StatusChanged(OPEN, PENDING, None, None), internal=True, status=PENDING)
        assert await told() == ({"assignee": "STATUS_CHANGED"}, ["assignee"]), role


async def test_several_changes_of_one_save_are_one_email(happen, told, give, cast, mailbox, database, ticket, desk):
    await give()
    async with desk.writes.begin() as unit:
        first, second = [
            unit.insert(
                models.Comment,
                ticket_id=ticket.uuid,
                author_id=cast.assignee.id,
                body=body,
                body_html=f"<p>{body}</p>",
                internal=False,
                channel=models.TicketChannel.PORTAL,
                created_at=unit.now,
                edited_at=None,
                deleted_at=None,
            )
            for body in ("Wait for it.", "Still waiting.")
        ]
    events = CommentAdded(first.id), CommentAdded(second.id), StatusChanged(OPEN, PENDING, None, None)
    await happen(cast.assignee, *events, status=PENDING, topic="Fire", triage_pending=True)

    kinds, letters = await told()
    assert kinds["customer"] == ["COMMENT_ADDED", "COMMENT_ADDED", "STATUS_CHANGED"]
    assert letters == ["customer", "staff_watcher", "watcher"]
    text = mailbox.to(cast.customer.email)[0].get_body(("plain",)).get_content()
    assert text.count("Otto Outside has written:") == 2
    assert -1 < text.find("Wait for it.") < text.find("Still waiting.") < text.find("We are waiting for your answer.")
    sql = "SELECT kind, cardinality(event_ids) AS told, comment_id FROM messages WHERE recipient_id = :id ORDER BY id"
    assert (await database.rows(sql, id=cast.customer.id))[-1] == {
        "kind": "COMMENT_ADDED",
        "told": 3,
        "comment_id": first.id,
    }


async def test_what_happens_while_it_is_found_out_who_hears_of_it_keeps_its_place(
    happen, told, cast, ticket, desk, database, monkeypatch
):
    found = audiences.found

    async def meanwhile(*asked):
        abouts = await found(*asked)
        monkeypatch.undo()
        async with desk.writes.begin() as unit:
            history.record(unit, None, await unit.lock(one, ticket.uuid), WatchersChanged([], [cast.gone.id]))
        return abouts

    monkeypatch.setattr(audiences, "found", meanwhile)
    await happen(cast.lead, StatusChanged(OPEN, PENDING, None, None), status=PENDING)

    assert (await told())[1] == ["customer", "staff_watcher", "watcher"]
    (row,) = await database.rows("SELECT last_seq FROM tickets WHERE id = :id", id=ticket.uuid)
    sql = "SELECT seq FROM events WHERE ticket_id = :id ORDER BY seq"
    seqs = [event["seq"] for event in await database.rows(sql, id=ticket.uuid)]
    assert seqs == list(range(1, row["last_seq"] + 1))


async def test_staff_get_one_email_of_many_tickets_and_customers_one_of_each(
    desk, work, cast, ticket, second, told, mailbox, database
):
    async with desk.writes.begin() as unit:
        for key in sorted((ticket.id, second["id"].removeprefix("tkt_"))):
            row = await unit.lock(one, UUID(key))
            unit.change(row, assignee_id=cast.agent.id, status=PENDING)
            history.record(unit, cast.lead.id, row, TicketAssigned(None, cast.agent.id))
            history.record(unit, cast.lead.id, row, StatusChanged(OPEN, PENDING, None, None))
    await work.run()

    kinds, letters = await told()
    assert kinds["agent"] == ["TICKET_ASSIGNED", "STATUS_CHANGED"] * 2
    assert letters == ["agent", "customer", "customer", "staff_watcher", "watcher"]
    (digest,) = mailbox.to(cast.agent.email)
    assert digest["subject"] == "News of 2 tickets"
    assert digest["Reply-To"].startswith("reply+")
    text = digest.get_body(("plain",)).get_content()
    assert "Printer on fire" in text
    assert "Second fire" in text
    assert text.count("It is waiting for the customer.") == 2
    rows = await database.rows("SELECT ticket_id FROM messages WHERE recipient_id = :id ORDER BY id", id=cast.agent.id)
    assert rows[-1] == {"ticket_id": None}
    sql = "SELECT count(*) FROM events WHERE kind = 'MessageSent' AND data->>'recipient_id' = :id"
    assert await database.rows(sql, id=str(cast.agent.id)) == [{"count": 2}]


async def test_what_somebody_does_not_want_they_are_not_told(happen, told, database, cast):
    for channel in ("EMAIL", "IN_APP"):
        sql = "INSERT INTO notification_preferences VALUES (:id, 'STATUS_CHANGED', :channel, false)"
        person = cast.customer if channel == "EMAIL" else cast.watcher
        await database.rows(sql, id=person.id, channel=channel)
    sql = "INSERT INTO notification_preferences VALUES (:id, 'TICKET_SUBMITTED', 'EMAIL', true)"
    await database.rows(sql, id=cast.agent.id)

    await happen(cast.lead, StatusChanged(OPEN, PENDING, None, None), status=PENDING)

    assert await told() == (
        dict.fromkeys(["customer", "staff_watcher"], "STATUS_CHANGED"),
        ["staff_watcher", "watcher"],
    )
    assert await database.rows("SELECT id FROM messages WHERE status = 'SKIPPED'") == []


async def test_what_is_locked_is_told_whatever_a_row_says(happen, told, database, resolved, cast):
    sql = "INSERT INTO notification_preferences VALUES (:id, 'TICKET_RESOLVED', 'EMAIL', false)"
    await database.rows(sql, id=cast.customer.id)

    await happen(cast.agent, resolved, status=TicketStatus.RESOLVED)

    assert "customer" in (await told())[1]


async def test_who_wants_mail_of_new_tickets_gets_it(submit, work, told, database, cast, problem, mailbox):
    sql = "INSERT INTO notification_preferences VALUES (:id, 'TICKET_SUBMITTED', 'EMAIL', true)"
    await database.rows(sql, id=cast.agent.id)

    await submit(cast.customer, problem, subject="A third fire")
    await work.run()

    kinds, letters = await told()
    assert kinds == {"customer": "TICKET_RECEIVED"} | dict.fromkeys(["agent", "lead", "manager"], "TICKET_SUBMITTED")
    assert letters == ["agent", "customer"]
    assert (
        "Carla Customer has submitted it; it is with Technical Support"
        in mailbox.to(cast.agent.email)[0].get_body(("plain",)).get_content()
    )
    text = mailbox.to(cast.customer.email)[0].get_body(("plain",)).get_content()
    assert "We have received your request and will get back to you." in text
    assert "has submitted it" not in text


async def test_what_is_no_longer_so_is_not_mailed(happen, resolved, database, desk, work, cast, ticket, mailbox):
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        for event in (
            StatusChanged(OPEN, PENDING, None, None),
            resolved(unit),
            TicketClosed(expired=False, close_reason=None),
        ):
            history.record(unit, cast.lead.id, row, event)

    await work.run()  # the ticket itself is still open

    assert mailbox.letters == []
    sql = "SELECT DISTINCT kind, status FROM messages WHERE kind <> 'TICKET_RECEIVED' ORDER BY kind"
    skipped = [{"kind": kind, "status": "SKIPPED"} for kind in ("STATUS_CHANGED", "TICKET_RESOLVED")]
    assert await database.rows(sql) == skipped
    await happen(cast.lead, TicketClosed(expired=False, close_reason=None))
    await happen(cast.lead, TicketReopened(None), status=TicketStatus.RESOLVED)  # once more since
    assert mailbox.letters == []


async def test_counters_and_cursors_have_no_gap(happen, database, cast):
    for _ in range(3):
        await happen(cast.lead, StatusChanged(OPEN, PENDING, None, None), TicketReopened(None))
    sql = """SELECT p.id, array_agg(n.seq ORDER BY n.seq) AS seqs, i.last_seq FROM people p
      JOIN notifications n ON n.person_id = p.id JOIN inboxes i ON i.person_id = p.id GROUP BY p.id, i.last_seq"""
    rows = await database.rows(sql)
    assert rows
    for row in rows:
        assert row["seqs"] == list(range(row["last_seq"] - len(row["seqs"]) + 1, row["last_seq"] + 1))


def test_every_kind_has_a_title():
    assert set(TITLES) == set(NotificationKind) - {NotificationKind.MAINTENANCE}


async def test_whoever_has_not_answered_to_a_solution_is_reminded(
    happen, told, resolved, cast, desk, ticket, work, database, mailbox
):
    await happen(cast.agent, resolved, status=TicketStatus.RESOLVED)
    await database.rows("UPDATE resolutions SET state = 'REJECTED', answered_at = now(), summary = 'Before.'")
    await happen(cast.agent, resolved, status=TicketStatus.RESOLVED)
    await database.rows("DELETE FROM notifications")
    mailbox.letters.clear()
    (row,) = await database.rows("SELECT id FROM resolutions WHERE state = 'AWAITING'")

    async with desk.writes.begin() as unit:
        await announcing.remind(unit, await unit.lock(one, ticket.uuid), row["id"])
    await work.run()

    assert await told() == ({}, ["customer"])
    text = mailbox.letters[0].get_body(("plain",)).get_content()
    assert "Please confirm it" in text
    assert "Turned it *off*." in text  # which is what was done last


async def test_a_target_that_is_soon_due_is_told_as_they_want_it(told, cast, desk, ticket, work, database, mailbox):
    for channel, person in (("EMAIL", cast.lead), ("IN_APP", cast.agent)):
        sql = "INSERT INTO notification_preferences VALUES (:id, 'SLA_AT_RISK', :channel, false)"
        await database.rows(sql, id=person.id, channel=channel)
    people, cause = [cast.lead.id, cast.agent.id, cast.gone.id], new_id()
    clock = "(ticket_id, target, target_seconds, used_seconds, running_since, due_at)"
    values = "(:id, 'RESOLUTION', 60, 0, now(), '2027-01-01')"
    await database.rows(f"INSERT INTO sla_clocks {clock} VALUES {values}", id=ticket.uuid)

    async with desk.writes.begin() as unit:
        await announcing.warn(unit, [announcing.Warned(await unit.lock(one, ticket.uuid), people, cause)])
    await work.run()

    assert await told() == ({"lead": "SLA_AT_RISK"}, ["agent"])
    assert await database.rows("SELECT cause_id FROM notifications") == [{"cause_id": cause}]
    assert "The solution is due on" in mailbox.letters[0].get_body(("plain",)).get_content()

    mailbox.letters.clear()
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        await announcing.warn(unit, [announcing.Warned(row, people, new_id())])
        unit.change(row, status=TicketStatus.RESOLVED)
    await work.run()
    assert mailbox.letters == []  # it is done since


async def test_what_is_announced_together_is_told_as_by_itself(
    desk, database, house, cast, ticket, give, work, mailbox
):
    """One letter tells of what came in one save, however many were announced with it."""
    await give()
    for number in range(3):
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, ticket.uuid)
            history.record(unit, cast.customer.id, row, StatusChanged(OPEN, PENDING if number else OPEN, None, None))
            history.record(unit, None, row, SlaBreached(SlaTargetKind.RESOLUTION, row.created_at))  # the clock's part
    done = await work.run()

    assert done["Announce"] == 3
    told = "SELECT count(*) FROM notifications WHERE person_id = :id"
    assert await database.rows(told, id=cast.assignee.id) == [{"count": 6}]
    places = await database.rows("SELECT seq FROM notifications WHERE person_id = :id ORDER BY id", id=cast.assignee.id)
    assert [row["seq"] for row in places] == sorted(row["seq"] for row in places)
    mails = await database.rows("SELECT event_ids FROM messages WHERE recipient_id = :id", id=cast.assignee.id)
    assert [len(row["event_ids"]) for row in mails] == [2, 2, 2]
