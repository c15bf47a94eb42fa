"""Targets and escalations equal a count by hand, minute by minute, whatever happens to a ticket and its calendars."""

import datetime as dt
import os
from random import Random

import holidays
import pytest

from domain import zones
from domain.tickets import timers
from infra import unit
from models import Role

STORMS = int(os.environ.get("RANDOM_STORMS", "4"))
FIRST = int(os.environ.get("FIRST_STORM", "0"))
STEPS = 24
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
AHEAD = dt.timedelta(days=40)  # as far as is counted by hand
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
# Before clocks go forward or back in these zones, or over holidays.
PLACES = [
    ("Europe/Berlin", "2027-03-26", "DE-BY"),
    ("Europe/Berlin", "2027-10-29", "DE-BY"),
    ("America/New_York", "2027-03-12", "US"),
    ("America/New_York", "2027-11-05", None),
    ("Australia/Lord_Howe", "2027-04-02", "AU"),
    ("Africa/Cairo", "2027-04-28", None),
    ("America/Havana", "2027-11-05", None),
    ("Asia/Kathmandu", "2026-12-30", None),
    ("Pacific/Auckland", "2027-09-24", "NZ"),
]
KINDS = ("FIRST_RESPONSE", "RESOLUTION")
CLOCKS = "SELECT * FROM sla_clocks WHERE ticket_id = :id"
MISSED = "SELECT data->>'target' AS target, at FROM events WHERE ticket_id = :id AND kind = 'SlaBreached' ORDER BY seq"
RAISED = "SELECT at FROM escalations WHERE ticket_id = :id ORDER BY at"


class Count:
    """The working time of a calendar, looked at minute by minute."""

    def __init__(self, form, free):
        self.zone, self.free = zones.zone(form["timeZone"]), free
        self.spans = [(WEEKDAYS.index(each["weekday"]), each["opensAt"], each["closesAt"]) for each in form["hours"]]
        self.known = {}

    def is_open(self, minute):
        if minute not in self.known:
            shown = minute.astimezone(self.zone)
            time = f"{shown:%H:%M}"
            self.known[minute] = shown.date() not in self.free and any(
                shown.weekday() == day and opens <= time < closes for day, opens, closes in self.spans
            )
        return self.known[minute]

    def between(self, start, end):
        found, at = dt.timedelta(), start
        while at < end:
            minute = at.replace(second=0, microsecond=0)
            until = min(minute + MINUTE, end)
            if self.is_open(minute):
                found += until - at
            at = until
        return found

    def after(self, start, wanted):
        """None: not as far as is counted."""
        if wanted <= dt.timedelta():
            return start
        at = start
        while at < start + AHEAD:
            minute = at.replace(second=0, microsecond=0)
            until = minute + MINUTE
            if self.is_open(minute):
                if at + wanted <= until:
                    return at + wanted
                wanted -= until - at
            at = until
        return None


class Clock:
    """One target, as the words of the API say what becomes of it."""

    def __init__(self, target):
        self.target, self.used, self.since = target, dt.timedelta(), None
        self.missed_at = self.done_at = None

    def due(self, count):
        return None if self.since is None else count.after(self.since, self.target - self.used)

    def run(self, now):
        if self.done_at is None:
            self.since = self.since or now

    def rest(self, now, count):
        if self.since is not None:
            self.used += count.between(self.since, now)
            self.since = None


def hours(luck):
    """Hours of a week, some of which end at midnight, where the next day's begin."""
    found = []
    for day in WEEKDAYS:
        cuts = sorted(
            luck.sample([0, 1440, *(luck.randrange(5, 1440, 5) for _ in range(3))], luck.choice([0, 2, 2, 4]))
        )
        for opens, closes in zip(cuts[::2], cuts[1::2], strict=True):
            if opens < closes:
                found.append({"weekday": day, "opensAt": time(opens), "closesAt": time(closes)})
    return found or [{"weekday": "MONDAY", "opensAt": "00:00", "closesAt": "24:00"}]


def time(minute):
    return f"{minute // 60:02}:{minute % 60:02}"


class Storm:
    def __init__(self, luck, api, database, desk, work, house, monkeypatch):
        self.luck, self.api, self.database, self.desk, self.work, self.house = luck, api, database, desk, work, house
        monkeypatch.setattr(unit, "now", lambda: self.now)
        self.zone, day, self.region = luck.choice(PLACES)
        start = dt.datetime.fromisoformat(f"{day}T00:00:00+00:00")
        self.now = start + dt.timedelta(minutes=luck.randrange(3 * 1440), seconds=luck.randrange(60))
        self.done, self.counts = [], {}

    @property
    def count(self):
        """By whose hours time is counted: those that the policy names, or else where the ticket is."""
        return self.counts[self.named or self.place]

    async def do(self, mutation, field, /, **given):
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        text = (
            f"mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{ __typename ... on Refusal {{ message }}"
            f" ... on {kind}Success {{ {field} }} }} }}"
        )
        answer = (await self.api(self.admin, text, input=given))[mutation]
        self.done.append(f"{self.now} {mutation} {given} {answer['__typename']}")
        assert answer["__typename"].endswith("Success"), (answer, self.done)
        return answer

    async def save_calendar(self, place, name):
        today = self.now.date()
        own = {today + dt.timedelta(days=self.luck.randrange(6)) for _ in range(self.luck.randrange(3))}
        zone, _, region = self.luck.choice(PLACES) if place == "Billing" else (self.zone, None, self.region)
        form = {
            "name": name, "timeZone": zone, "hours": hours(self.luck), "holidayRegion": region,
            "holidays": [{"date": day.isoformat(), "name": "Free"} for day in sorted(own)],
        }  # fmt: skip
        known = {"businessCalendarId": self.calendars[place]} if place in self.calendars else {}
        answer = await self.do("saveBusinessCalendar", "businessCalendar { id }", **form, **known)
        self.calendars[place] = answer["businessCalendar"]["id"]
        country, _, part = (region or "").partition("-")
        public = holidays.country_holidays(country, subdiv=part or None, years=[2026, 2027]) if country else ()
        self.counts[place] = Count(form, own.union(public))

    async def save_policy(self, **more):
        self.targets = [60 * self.luck.randrange(1, 900), 60 * self.luck.randrange(1, 2000)]
        first, resolution = self.targets
        target = {"priority": "NORMAL", "firstResponseSeconds": first, "resolutionSeconds": resolution}
        answer = await self.do(
            "saveSlaPolicy", "slaPolicy { id }", name="P", targets=[target], pausesOnHold=self.pauses,
            calendarId=self.calendars.get(self.named), **more,
        )  # fmt: skip
        return answer["slaPolicy"]["id"]

    async def begin(self):
        luck = self.luck
        self.calendars, self.place, self.pauses = {}, "Support", luck.random() < 0.5
        self.named = luck.choice([None, None, "Billing"])
        self.admin = await self.house.person("Admin", Role.ADMIN)
        self.departments = {name: await self.house.department(name) for name in ("Support", "Billing")}
        category = await self.house.category("Problem", self.departments["Support"])
        await self.house.person("Lena Lead", Role.TEAM_LEAD, *self.departments.values())
        for name, department in self.departments.items():
            await self.save_calendar(name, name)
            given = {"departmentId": department.gid, "name": name, "calendarId": self.calendars[name]}
            await self.do("saveDepartment", "department { id }", **given)
        self.policy = await self.save_policy()
        self.after = dt.timedelta(minutes=luck.randrange(1, 1500))
        await self.do(
            "saveEscalationRule", "escalationRule { id }", name="R", trigger="NOT_RESOLVED", level="TEAM_LEAD",
            afterSeconds=int(self.after.total_seconds()),
        )  # fmt: skip
        customer = await self.house.person("Carla Customer")
        given = {"subject": "S", "body": "B", "categoryId": category.gid, "requesterId": customer.gid}
        answer = await self.do("submitTicket", "ticket { id }", **given)
        self.ticket = answer["ticket"]["id"]
        self.id, self.since = self.ticket.removeprefix("tkt_"), self.now
        self.status, self.answered, self.resumes, self.raised_at, self.raised = "OPEN", False, None, None, []
        self.clocks = {kind: Clock(dt.timedelta(seconds=each)) for kind, each in zip(KINDS, self.targets, strict=True)}
        for clock in self.clocks.values():
            clock.run(self.now)

    # --- What happens ------------------------------------------------------------------------------------------------

    def moved(self, status):
        self.status = status
        rests = status == "PENDING" or (status == "ON_HOLD" and self.pauses)
        for clock in self.clocks.values():
            if rests:
                clock.rest(self.now, self.count)
            else:
                clock.run(self.now)
        self.found_late()  # what was left may have been taken away while it rested

    async def change_status(self):
        status = self.luck.choice([each for each in ("OPEN", "PENDING", "ON_HOLD") if each != self.status])
        more, self.resumes = {}, None
        if status == "ON_HOLD" and self.luck.random() < 0.6:
            self.resumes = self.now + dt.timedelta(minutes=self.luck.randrange(1, 4000))
            more = {"resumesAt": self.resumes.isoformat()}
        await self.do("changeTicketStatus", "ticket { id }", ticketId=self.ticket, status=status, **more)
        self.moved(status)

    async def change_calendar(self):
        place = self.named or self.place
        await self.save_calendar(place, place)
        await self.jobs()
        self.found_late()

    async def change_policy(self):
        before, self.named = self.count, self.luck.choice([None, "Support", "Billing"])
        await self.save_policy(slaPolicyId=self.policy, recalculate=True)
        await self.jobs()
        self.counted_by_others_since(before)
        for clock, target in zip(self.clocks.values(), self.targets, strict=True):
            clock.target = dt.timedelta(seconds=target)
        self.found_late()

    async def move_away(self):
        before, self.place = self.count, "Billing" if self.place == "Support" else "Support"
        self.counted_by_others_since(before)
        there = self.departments[self.place].gid
        await self.do("updateTicket", "ticket { id }", ticketId=self.ticket, departmentId=there)
        self.found_late()

    def counted_by_others_since(self, before):
        """By other hours only what comes is counted."""
        for clock in self.clocks.values():
            if clock.since is not None and self.count is not before:
                clock.rest(self.now, before)
                clock.since = self.now

    async def answer(self):
        await self.do("addComment", "ticket { id }", ticketId=self.ticket, body="Words.")
        self.finish("FIRST_RESPONSE")
        self.answered = True

    def finish(self, kind):
        clock = self.clocks[kind]
        if clock.done_at is None:
            clock.rest(self.now, self.count)
            clock.done_at = self.now

    async def resolve_and_reopen(self):
        if not self.answered:
            await self.answer()
        await self.do("resolveTicket", "ticket { id }", ticketId=self.ticket, summary="Solved.")
        self.status, self.resumes = "RESOLVED", None
        self.finish("RESOLUTION")
        if self.raised_at is not None:
            self.raised.append(self.raised_at)
        self.raised_at, self.since = None, None
        await self.check()
        await self.pass_time([1, 60, 1500])
        await self.check()
        await self.do("reopenTicket", "ticket { id }", ticketId=self.ticket, reason="No.")
        self.clocks["RESOLUTION"].done_at, self.since = None, self.now
        self.moved("OPEN")

    def found_late(self):
        """What is due in the past only by other hours or targets is missed now."""
        for clock in self.clocks.values():
            due = clock.due(self.count)
            if clock.missed_at is None and due is not None and due <= self.now:
                clock.missed_at = self.now
        raises = self.raises()
        if raises is not None and raises <= self.now:
            self.raised_at = self.now

    def raises(self):
        """When the rule will act."""
        return None if self.raised_at or self.since is None else self.count.after(self.since, self.after)

    async def jobs(self):
        await self.database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
        await self.work.run()

    async def pass_time(self, minutes=(1, 30, 300, 1500, 4000)):
        """The desk's clock looks whenever it wants to."""
        until = self.now + dt.timedelta(minutes=self.luck.choice(minutes), seconds=self.luck.randrange(60))
        while True:
            ((timer,),) = [row.values() for row in await self.database.rows("SELECT min(timer_at) FROM tickets")]
            events = [clock.due(self.count) for clock in self.clocks.values() if clock.missed_at is None]
            raises = self.raises()
            expected = min((each for each in (*events, raises, self.resumes) if each is not None), default=until)
            at = min(until, max(timer or until, self.now))
            assert at <= max(expected, self.now), ("it looks too late", timer, expected, self.done)
            self.now = at
            if self.resumes is not None and self.resumes <= self.now:
                self.resumes = None
                self.moved("OPEN")
            for clock in self.clocks.values():
                due = clock.due(self.count)
                if clock.missed_at is None and due is not None and due <= self.now:
                    clock.missed_at = due
            if raises is not None and raises <= self.now:
                self.raised_at = self.now
            await timers.sweep(self.desk)
            if self.now == until:
                return

    # --- What must be so ---------------------------------------------------------------------------------------------

    async def check(self):
        rows = {row["target"]: row for row in await self.database.rows(CLOCKS, id=self.id)}
        for kind, clock in self.clocks.items():
            row, about = rows[kind], (kind, self.now, self.zone, self.done)
            assert row["breached_at"] == clock.missed_at, about
            assert row["completed_at"] == clock.done_at, about
            if clock.done_at is not None:
                assert row["paused_at"] is None, about
            elif clock.since is None:
                assert (row["paused_at"] is None, row["due_at"]) == (False, None), about
                left = row["target_seconds"] - row["used_seconds"]
                assert abs(left - (clock.target - clock.used).total_seconds()) <= 1e-9, about
            elif clock.missed_at is None:
                due = clock.due(self.count)
                far = due is None and (row["due_at"] is None or row["due_at"] > clock.since + AHEAD)
                assert row["paused_at"] is None, about
                assert far or row["due_at"] == due, about
                assert (row["warned_at"] is not None) == (due is not None and due - HOUR <= self.now), about
        missed = [row["target"] for row in await self.database.rows(MISSED, id=self.id)]
        assert sorted(missed) == sorted(kind for kind, clock in self.clocks.items() if clock.missed_at), self.done
        raised = [row["at"] for row in await self.database.rows(RAISED, id=self.id)]
        assert raised == self.raised + ([self.raised_at] if self.raised_at else []), self.done


@pytest.mark.parametrize("seed", range(FIRST, FIRST + STORMS))
async def test_clocks_equal_a_count_minute_by_minute(seed, api, database, desk, work, house, monkeypatch):
    storm = Storm(Random(seed), api, database, desk, work, house, monkeypatch)
    await storm.begin()
    await timers.sweep(desk)
    await storm.check()
    for _ in range(STEPS):
        move = storm.luck.choices(
            [
                *(storm.pass_time, storm.change_status, storm.change_calendar, storm.change_policy),
                *(storm.move_away, storm.answer, storm.resolve_and_reopen),
            ],
            [9, 6, 3, 2, 2, 0.5, 1],
        )[0]
        await move()
        await timers.sweep(desk)
        await storm.check()
