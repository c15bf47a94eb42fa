"""Who is told of maintenance: in the app and by email, each of what happened once, and what became of it."""

import datetime as dt
from collections import Counter

import pytest

from domain import broadcasting, drafts, mass_mailing, sessions
from domain.jobs import SendMaintenance, TellMaintenance
from domain.maintenance import clock, saying
from infra import jobs
from infra.postgres import Unavailable
from infra.unit import Unit, now
from infra.writes import Writes
from models import Role

SCHEDULE = """mutation ($input: ScheduleMaintenanceInput!) { scheduleMaintenance(input: $input) {
  ... on ScheduleMaintenanceSuccess { notice { id } } } }"""
UPDATE = "mutation ($input: UpdateMaintenanceInput!) { updateMaintenance(input: $input) { __typename } }"
POST = "mutation ($input: PostMaintenanceUpdateInput!) { postMaintenanceUpdate(input: $input) { __typename } }"
SUBSCRIBE = "mutation ($input: SubscribeToServiceInput!) { subscribeToService(input: $input) { __typename } }"
UNSUBSCRIBE = "mutation ($input: UnsubscribeFromServiceInput!) { unsubscribeFromService(input: $input) { __typename } }"
FEED = """{ viewer { notifications { nodes { kind title body actor { name }
  subject { __typename ... on MaintenanceNotice { title message } } } } } }"""
DELIVERIES = """query ($id: ID!) { maintenanceNotice(id: $id) { deliveries {
  channel queuedCount sentCount failedCount skippedCount readCount } } }"""


def at(**later):
    return (now() + dt.timedelta(**later)).isoformat()


@pytest.fixture
async def manager(house, support):
    return await house.person("Mia Manager", Role.MANAGER, support)


@pytest.fixture
async def mail(house):
    return await house.service("Mail")


@pytest.fixture
def schedule(api, manager, mail):
    async def done(**given):
        usual = {"title": "New disks", "message": "{{services}} rests.", "severity": "MAJOR", "serviceIds": [mail.gid]}
        usual |= {"startsAt": "2101-06-01T10:00:00Z", "endsAt": "2101-06-01T12:30:00Z", **given}
        return (await api(manager, SCHEDULE, input=usual))["scheduleMaintenance"]["notice"]["id"]

    return done


@pytest.fixture
def subscribe(api, mail):
    async def done(viewer, query=SUBSCRIBE):
        await api(viewer, query, input={"serviceId": mail.gid})

    return done


@pytest.fixture
def feed(api):
    """What somebody reads in the app, oldest first."""

    async def read(viewer):
        return (await api(viewer, FEED))["viewer"]["notifications"]["nodes"][::-1]

    return read


@pytest.fixture
def deliveries(api, manager):
    """What became of it by channel: queued, sent, failed, skipped, read."""

    async def counts(notice):
        found = (await api(manager, DELIVERIES, id=notice))["maintenanceNotice"]["deliveries"]
        return {each.pop("channel"): tuple(each.values()) for each in found}

    return counts


def plain(text):
    return text.replace("\u202f", " ")


async def test_the_audience_is_told_in_its_own_words(
    schedule, subscribe, feed, work, mailbox, database, customer, stranger, agent
):
    await subscribe(customer)
    await database.rows("UPDATE people SET locale = 'de', time_zone = 'Europe/Berlin' WHERE id = :id", id=customer.id)
    await schedule(message="Canary zq1q, **{{services}}** rests until {{endsAt}}. <i>x</i>")
    await work.run()

    (letter,) = mailbox.to(customer.email)
    text = plain(letter.get_body(("plain",)).get_content())
    assert letter["Subject"] == "Geplante Wartung: New disks"
    assert "Vom 1. Juni 2101, 12:00 MESZ bis zum 1. Juni 2101, 14:30 MESZ. Dienste: Mail." in text
    assert "Wichtiges wird nicht funktionieren." in text
    assert "Canary zq1q, **Mail** rests until 1. Juni 2101, 14:30 MESZ." in text
    shown = plain(letter.get_body(("html",)).get_content())
    assert "Canary zq1q, <strong>Mail</strong> rests until 1. Juni 2101, 14:30 MESZ. &lt;i&gt;x&lt;/i&gt;" in shown
    (entry,) = await feed(customer)
    assert (entry["kind"], entry["title"]) == ("MAINTENANCE", "Geplante Wartung: New disks")
    assert plain(entry["body"]).splitlines() == [
        "Vom 1. Juni 2101, 12:00 MESZ bis zum 1. Juni 2101, 14:30 MESZ. Dienste: Mail.",
        "Wichtiges wird nicht funktionieren.",
        "Canary zq1q, Mail rests until 1. Juni 2101, 14:30 MESZ. <i>x</i>",
    ]
    assert entry["subject"]["__typename"] == "MaintenanceNotice"
    assert entry["actor"] is None
    (letter,) = mailbox.to(agent.email)
    assert letter["Subject"] == "Planned maintenance: New disks"
    assert "10:00 AM UTC" in plain(letter.get_body(("plain",)).get_content())
    assert [each["title"] for each in await feed(agent)] == ["Planned maintenance: New disks"]
    assert (mailbox.to(stranger.email), await feed(stranger)) == ([], [])


@pytest.mark.parametrize("before", range(saying.MOST_READ - 16, saying.MOST_READ + 2, 3))
async def test_a_long_message_is_cut_short_wherever_its_placeholders_stand(schedule, feed, work, agent, before):
    await schedule(message="x " * (before // 2) + "x" * (before % 2) + "{{services}}{{startsAt}}")
    await work.run()

    (entry,) = await feed(agent)
    quoted = entry["body"].splitlines()[-1]
    assert quoted.startswith("x x x")
    assert quoted.endswith("x…")


async def test_what_begins_early_goes_on_from_then(api, schedule, work, mailbox, manager, agent):
    notice = await schedule()
    await api(manager, POST, input={"noticeId": notice, "status": "IN_PROGRESS"})
    await work.run()

    letters = {each["Subject"]: plain(each.get_body(("plain",)).get_content()) for each in mailbox.to(agent.email)}
    said = letters["Maintenance is going on: New disks"]
    assert f"From {now():%B} {now().day}, {now().year}, " in said
    assert "to June 1, 2101, 12:30 PM UTC" in said


@pytest.mark.parametrize(
    ("last", "title"), [("COMPLETED", "Maintenance is done"), ("CANCELLED", "Maintenance was cancelled")]
)
async def test_what_is_over_is_told_with_its_end_as_it_was(
    api, schedule, feed, work, mailbox, manager, agent, last, title
):
    notice = await schedule(message="Until {{endsAt}}.")
    for status in ("IN_PROGRESS", last):
        await api(manager, POST, input={"noticeId": notice, "status": status})
    await work.run()

    letters = {each["Subject"]: plain(each.get_body(("plain",)).get_content()) for each in mailbox.to(agent.email)}
    ended = f"to {now():%B} {now().day}, {now().year}, "
    assert ended in letters[f"{title}: New disks"]
    entry = (await feed(agent))[-1]
    assert ended in entry["body"]
    assert entry["subject"]["message"].startswith(f"Until {now():%B} {now().day}, {now().year}, ")


async def test_what_never_began_is_cancelled_for_when_it_was_planned(api, schedule, work, mailbox, manager, agent):
    notice = await schedule()
    await api(manager, POST, input={"noticeId": notice, "status": "CANCELLED"})
    await work.run()

    letters = {each["Subject"]: plain(each.get_body(("plain",)).get_content()) for each in mailbox.to(agent.email)}
    assert (
        "From June 1, 2101, 10:00 AM UTC to June 1, 2101, 12:30 PM UTC."
        in letters["Maintenance was cancelled: New disks"]
    )


async def test_a_notice_for_staff_reaches_staff_alone(schedule, subscribe, feed, work, mailbox, customer, agent):
    await subscribe(customer)
    await schedule(audience="STAFF", title="Canary zq2q")
    await work.run()
    assert (mailbox.to(customer.email), await feed(customer)) == ([], [])
    assert len(mailbox.to(agent.email)) == len(await feed(agent)) == 1


async def test_what_is_told_once_is_not_told_again(schedule, work, database, mailbox, desk, customer, agent):
    await schedule(audience="EVERYONE")
    (asked,) = await work.asked(TellMaintenance)
    await work.run()
    before = await database.counts()
    async with desk.writes.begin() as unit:  # as if the job were performed twice
        await broadcasting.tell(unit, asked.happening_id, None)
    async with desk.writes.begin() as unit:
        unit.enqueue(SendMaintenance(asked.happening_id))
    await work.run()
    assert {**await database.counts(), "jobs": 0} == {**before, "jobs": 0}
    assert len(mailbox.to(customer.email)) == 1


async def test_changes_are_told_to_those_who_were_told_before_and_those_who_are_meant_now(
    api, schedule, subscribe, feed, work, mailbox, manager, customer, stranger
):
    await subscribe(customer)
    notice = await schedule()
    await work.run()
    await subscribe(customer, UNSUBSCRIBE)
    await subscribe(stranger)
    mailbox.letters.clear()
    await api(manager, UPDATE, input={"noticeId": notice, "title": "Newer disks"})
    await work.run()
    for viewer, count in ((customer, 2), (stranger, 1)):
        (letter,) = mailbox.to(viewer.email)
        assert letter["Subject"] == "Maintenance has changed: Newer disks"
        entries = await feed(viewer)
        assert (len(entries), entries[-1]["title"]) == (count, "Maintenance has changed: Newer disks")
        assert entries[-1]["subject"]["title"] == "Newer disks"
    for given, title in (
        ({"status": "IN_PROGRESS"}, "Maintenance is going on: Newer disks"),
        ({"message": "It takes *longer*."}, "Maintenance is going on: Newer disks"),
        ({"status": "CANCELLED", "message": "No."}, "Maintenance was cancelled: Newer disks"),
        ({"message": "It comes next week."}, "News of maintenance: Newer disks"),
    ):
        mailbox.letters.clear()
        await api(manager, POST, input={"noticeId": notice, **given})
        await work.run()
        for viewer in (customer, stranger):
            (letter,) = mailbox.to(viewer.email)
            assert letter["Subject"] == title
            assert given.get("message", "") in letter.get_body(("plain",)).get_content()
            assert (await feed(viewer))[-1]["title"] == title


async def test_what_is_not_to_be_told_is_not(api, schedule, work, mailbox, manager, customer, feed):
    notice = await schedule(audience="EVERYONE", channels=["IN_APP"])
    await api(manager, UPDATE, input={"noticeId": notice, "title": "x", "notify": False})
    await api(manager, POST, input={"noticeId": notice, "message": "x", "notify": False})
    assert len(await work.asked(TellMaintenance)) == 1
    await work.run()
    assert mailbox.letters == []
    assert len(await feed(customer)) == 1


@pytest.mark.parametrize("given", [{"automatic": False}, {"remindBeforeSeconds": 3600}, {"remindBeforeSeconds": None}])
async def test_how_the_desk_goes_about_it_is_nobodys_news(api, schedule, work, mailbox, manager, customer, feed, given):
    notice = await schedule(audience="EVERYONE", remindBeforeSeconds=7200)
    await work.run()
    mailbox.letters.clear()
    await api(manager, UPDATE, input={"noticeId": notice, **given})
    await work.run()
    assert (mailbox.letters, len(await feed(customer))) == ([], 1)
    await api(manager, UPDATE, input={"noticeId": notice, "title": "Newer disks", **given})
    await work.run()
    assert (len(mailbox.to(customer.email)), len(await feed(customer))) == (1, 2)


@pytest.mark.parametrize("severity", ["INFO", "MINOR", "MAJOR", "CRITICAL"])
async def test_nobody_turns_off_what_is_critical(
    api, schedule, work, mailbox, feed, deliveries, database, manager, customer, severity
):
    await database.rows(
        "INSERT INTO notification_preferences VALUES (:id, 'MAINTENANCE', 'EMAIL', false),"
        " (:id, 'MAINTENANCE', 'IN_APP', false)",
        id=customer.id,
    )
    notice = await schedule(audience="EVERYONE", severity=severity)
    await work.run()
    told = int(severity == "CRITICAL")
    assert (len(mailbox.to(customer.email)), len(await feed(customer))) == (told, told)
    assert await deliveries(notice) == {
        "EMAIL": (0, 1 + told, 0, 1 - told, None),
        "IN_APP": (0, 1 + told, 0, 1 - told, 0),
    }
    way_out = [letter["List-Unsubscribe"] is None for letter in mailbox.letters]
    assert way_out == [severity == "CRITICAL"] * (1 + told)


async def test_the_report_is_for_managers(api, schedule, house, work, deliveries, database, mailbox, customer, agent):
    await house.person("Robot", email="no-reply@example.com")
    notice = await schedule(audience="EVERYONE")
    assert await deliveries(notice) == {"EMAIL": (0, 0, 0, 0, None), "IN_APP": (0, 0, 0, 0, 0)}
    mailbox.refusal = "550 Nobody here"
    await work.run()
    await database.rows("UPDATE notifications SET read_at = now() WHERE person_id = :id", id=customer.id)
    assert await deliveries(notice) == {"EMAIL": (0, 0, 3, 1, None), "IN_APP": (0, 4, 0, 0, 1)}
    for viewer in (customer, agent):
        assert (await api(viewer, DELIVERIES, id=notice))["maintenanceNotice"] == {"deliveries": None}


async def test_many_are_told_in_batches_and_one_job_at_a_time(
    schedule, work, mailbox, database, monkeypatch, customer, stranger, agent, deliveries
):
    monkeypatch.setattr(broadcasting, "BATCH", 2)
    monkeypatch.setattr(mass_mailing, "MOST_SENT", 1)
    notice = await schedule(audience="EVERYONE")
    done = await work.run()
    assert (done["TellMaintenance"], done["SendMessage"]) == (3, 0)
    assert done["SendMaintenance"] >= 4
    assert sorted(letter.bcc[0] for letter in mailbox.letters) == sorted(
        row["email"] for row in await database.rows("SELECT email FROM people")
    )
    assert await deliveries(notice) == {"EMAIL": (0, 4, 0, 0, None), "IN_APP": (0, 4, 0, 0, 0)}


async def test_a_cancellation_ends_what_is_under_way(
    api, schedule, work, mailbox, desk, monkeypatch, database, customer, manager, feed, deliveries
):
    monkeypatch.setattr(broadcasting, "BATCH", 1)
    notice = await schedule(audience="EVERYONE")
    (asked,) = await work.asked(TellMaintenance)
    async with desk.writes.begin() as unit:
        await broadcasting.tell(unit, asked.happening_id, None)  # the first of two people, and no email has left
    await api(manager, POST, input={"noticeId": notice, "status": "CANCELLED"})
    await work.run()
    assert {letter["Subject"] for letter in mailbox.letters} == {"Maintenance was cancelled: New disks"}
    assert len(mailbox.letters) == 2
    assert sum([len(await feed(viewer)) for viewer in (customer, manager)]) == 3
    assert await deliveries(notice) == {"EMAIL": (0, 2, 0, 1, None), "IN_APP": (0, 3, 0, 0, 0)}


@pytest.mark.parametrize("where", ["before it is told", "before it is mailed"])
async def test_of_what_has_begun_nobody_is_reminded(
    api, schedule, work, mailbox, desk, database, customer, manager, feed, where
):
    notice = await schedule(audience="EVERYONE", remindBeforeSeconds=3600)
    await work.run()
    mailbox.letters.clear()
    await database.rows("UPDATE maintenance_notices SET timer_at = created_at, reminder_at = created_at")
    await clock.sweep(desk)
    (asked,) = await work.asked(TellMaintenance)
    if where == "before it is mailed":
        async with desk.writes.begin() as unit:
            await broadcasting.tell(unit, asked.happening_id, None)

    await api(manager, POST, input={"noticeId": notice, "status": "IN_PROGRESS"})
    await work.run()

    assert {letter["Subject"] for letter in mailbox.letters} == {"Maintenance is going on: New disks"}
    assert len(mailbox.letters) == 2
    reminded = "Maintenance begins soon: New disks" in [each["title"] for each in await feed(customer)]
    assert reminded == (where == "before it is mailed")


async def test_a_mail_server_that_is_away_loses_nothing(
    schedule, work, mailbox, database, customer, manager, deliveries
):
    notice = await schedule(audience="EVERYONE")
    mailbox.refusal = "451 Later"
    for _ in range(2):
        (row,) = await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED' ORDER BY id LIMIT 1")
        assert await jobs.perform(work.desk, row["id"])
    assert await deliveries(notice) == {"EMAIL": (2, 0, 0, 0, None), "IN_APP": (0, 2, 0, 0, 0)}
    mailbox.refusal = None
    await database.rows("UPDATE messages SET not_before = now() - interval '1 minute'")
    await database.rows("UPDATE jobs SET due_at = now() - interval '1 minute' WHERE state = 'QUEUED'")
    await work.run()
    assert await deliveries(notice) == {"EMAIL": (0, 2, 0, 0, None), "IN_APP": (0, 2, 0, 0, 0)}
    assert len(mailbox.letters) == 2


async def test_what_was_given_up_and_is_tried_again_says_the_same(
    api, schedule, work, mailbox, database, deliveries, admin, customer
):
    await database.rows("UPDATE people SET locale = 'de' WHERE id = :id", id=customer.id)
    mailbox.refusal = "550 No"
    notice = await schedule(audience="EVERYONE")
    await work.run()
    assert (await deliveries(notice))["EMAIL"] == (0, 0, 3, 0, None)
    letters = (await api(admin, "{ deadLetters { nodes { id } } }"))["deadLetters"]["nodes"]
    mailbox.refusal = None

    retry = "mutation ($ids: [ID!]!) { retryDeadLetters(input: {deadLetterIds: $ids}) { __typename } }"
    await api(admin, retry, ids=[each["id"] for each in letters])
    await work.run()

    assert (await deliveries(notice))["EMAIL"] == (0, 3, 0, 0, None)
    (letter,) = mailbox.to(customer.email)
    assert letter["Subject"] == "Geplante Wartung: New disks"
    assert "Mail rests." in letter.get_body(("plain",)).get_content()
    assert letter["List-Unsubscribe"]


async def test_who_may_not_see_it_any_more_reads_nothing_of_it(schedule, feed, work, database, desk, agent, mailbox):
    await schedule(audience="STAFF", title="Canary zq3q")
    await work.run()
    assert "zq3q" in str(await feed(agent))
    await database.rows("UPDATE people SET role = 'CUSTOMER' WHERE id = :id", id=agent.id)
    async with desk.writes.begin() as unit:
        agent.token = (await sessions.open_for(desk, unit, agent.id)).access_token
    (entry,) = await feed(agent)
    assert (entry["title"], entry["body"], entry["subject"]) == ("Maintenance", None, None)


async def test_a_ticket_for_a_service_under_maintenance_says_so(
    api, schedule, submit, house, work, mailbox, manager, customer, problem, mail
):
    web = await house.service("Web")
    notice = await schedule(channels=["IN_APP"], startsAt=at(hours=1), endsAt=at(hours=2))
    staff = await schedule(channels=["IN_APP"], audience="STAFF", serviceIds=[web.gid])
    said = "Maintenance of Mail is going on"

    async def letter(**given):
        await submit(customer, problem, **given)
        await work.run()
        return mailbox.to(customer.email).pop().get_body(("plain",)).get_content()

    assert "Maintenance" not in await letter(serviceId=mail.gid)
    for each in (notice, staff):
        await api(manager, POST, input={"noticeId": each, "status": "IN_PROGRESS"})
    assert said in await letter(serviceId=mail.gid)
    for given in ({"serviceId": web.gid}, {}):
        assert "Maintenance" not in await letter(**given)
    shown = "{ tickets { nodes { service { name status } } } }"
    nodes = (await api(customer, shown))["tickets"]["nodes"]
    assert {"service": {"name": "Mail", "status": "UNDER_MAINTENANCE"}} in nodes
    assert {"service": {"name": "Web", "status": "OPERATIONAL"}} in nodes
    await api(manager, POST, input={"noticeId": notice, "status": "COMPLETED"})
    assert "Maintenance" not in await letter(serviceId=mail.gid)


async def test_no_email_is_forgotten_when_the_last_are_written_while_the_sender_looks_for_more(
    schedule, deliveries, work, database, monkeypatch, customer, stranger, agent
):
    monkeypatch.setattr(broadcasting, "BATCH", 2)
    notice = await schedule(audience="EVERYONE")

    async def first(kind):
        rows = await database.rows(
            "SELECT id FROM jobs WHERE state = 'QUEUED' AND kind = :kind ORDER BY created_at, id", kind=kind
        )
        return rows[0]["id"] if rows else None

    assert await jobs.perform(work.desk, await first("TellMaintenance"))
    run, looks = Unit.run, []

    async def telling_meanwhile(self, build, *values):
        found = await run(self, build, *values)
        if build in (broadcasting.stand_of, broadcasting.waiting):
            looks.append(build)
            if len(looks) == 3:  # the first look after this job's emails have been sent
                while row := await first("TellMaintenance"):
                    assert await jobs.perform(work.desk, row)
        return found

    monkeypatch.setattr(Unit, "run", telling_meanwhile)
    assert await jobs.perform(work.desk, await first("SendMaintenance"))
    assert len(looks) == 4
    await work.run()

    everyone = len(await database.rows("SELECT id FROM people"))
    assert (await deliveries(notice))["EMAIL"] == (0, everyone, 0, 0, None)


async def test_the_sender_looks_ever_less_often_for_what_nobody_writes(schedule, work, database, customer):
    await schedule(audience="EVERYONE")
    await database.rows("UPDATE maintenance_happenings SET at = at - interval '2 hours'")
    (happening,) = await database.rows("SELECT id FROM maintenance_happenings")
    async with work.desk.writes.begin() as unit:
        unit.enqueue(SendMaintenance(happening["id"]))
    (row,) = await database.rows("SELECT id FROM jobs WHERE kind = 'SendMaintenance'")

    assert await jobs.perform(work.desk, row["id"])

    (row,) = await database.rows(
        "SELECT extract(epoch FROM due_at - now()) AS wait FROM jobs WHERE kind = :kind AND state = 'QUEUED'",
        kind="SendMaintenance",
    )
    assert 100 < row["wait"] <= 121


async def test_whoever_may_not_see_it_any_more_gets_no_email(
    schedule, work, database, mailbox, customer, agent, manager, deliveries
):
    notice = await schedule(audience="STAFF", title="Canary zq4q")
    (row,) = await database.rows("SELECT id FROM jobs WHERE kind = 'TellMaintenance'")
    assert await jobs.perform(work.desk, row["id"])
    await database.rows("UPDATE people SET role = 'CUSTOMER' WHERE id = :id", id=agent.id)
    await work.run()
    assert [len(mailbox.to(each.email)) for each in (customer, agent, manager)] == [0, 0, 1]
    assert (await deliveries(notice))["EMAIL"] == (0, 1, 0, 1, None)


async def test_what_was_handed_over_before_a_fault_is_not_handed_over_again(
    schedule, work, database, mailbox, monkeypatch, customer, stranger, agent, deliveries
):
    notice = await schedule(audience="EVERYONE")
    alone, told = Writes.alone, []

    async def faulty(self, build, *values):
        if build is mass_mailing._became:
            told.append(values)
            if len(told) == 3:
                raise Unavailable
        return await alone(self, build, *values)

    monkeypatch.setattr(Writes, "alone", faulty)
    monkeypatch.setattr(work.desk.mail, "most_in_bulk", 1)
    (row,) = await database.rows("SELECT id FROM jobs WHERE kind = 'TellMaintenance'")
    assert await jobs.perform(work.desk, row["id"])
    (row,) = await database.rows("SELECT id FROM jobs WHERE kind = 'SendMaintenance'")
    assert not await jobs.perform(work.desk, row["id"])
    assert (await deliveries(notice))["EMAIL"] == (2, 2, 0, 0, None)
    await database.rows("UPDATE jobs SET due_at = now() - interval '1 minute' WHERE state = 'QUEUED'")
    await work.run()
    assert (await deliveries(notice))["EMAIL"] == (0, 4, 0, 0, None)
    # All but the one of which it could not be said that it went.
    assert sorted(Counter(letter["Message-ID"] for letter in mailbox.letters).values()) == [1, 1, 1, 2]


async def test_a_letter_that_can_not_be_written_holds_up_no_other(
    schedule, work, database, mailbox, monkeypatch, customer, stranger, agent, deliveries
):
    notice = await schedule(audience="EVERYONE")
    written = drafts.written

    def faulty(desk, message_id, person, draft, *, answers):
        if person.email == customer.email:
            raise ValueError("A fault of ours.")
        return written(desk, message_id, person, draft, answers=answers)

    monkeypatch.setattr(drafts, "written", faulty)
    monkeypatch.setattr(work.desk.mail, "most_in_bulk", 1)
    for kind in ("TellMaintenance", "SendMaintenance"):
        (row,) = await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED' AND kind = :kind", kind=kind)
        assert await jobs.perform(work.desk, row["id"])
    assert (await deliveries(notice))["EMAIL"] == (1, 3, 0, 0, None)
    (row,) = await database.rows("SELECT attempts, last_error FROM messages WHERE status = 'QUEUED'")
    assert row["attempts"] == 1
    assert row["last_error"].startswith("ValueError (")

    monkeypatch.setattr(drafts, "written", written)
    await database.rows("UPDATE messages SET not_before = now() - interval '1 minute'")
    await database.rows("UPDATE jobs SET due_at = now() - interval '1 minute' WHERE state = 'QUEUED'")
    await work.run()
    assert (await deliveries(notice))["EMAIL"] == (0, 4, 0, 0, None)
