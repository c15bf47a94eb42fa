"""Which rule of escalation acts next, and when."""

import datetime as dt
from types import SimpleNamespace
from uuid import UUID

import pytest

from domain.escalations.deciding import Facts, InForce, next_due
from models import EscalationLevel, EscalationTrigger, TicketPriority, TicketStatus

LEAD, MANAGER, DIRECTOR = EscalationLevel
START = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)  # a Monday
HERE, THERE = UUID(int=1), UUID(int=2)
OFFICE = SimpleNamespace(
    time_zone="Europe/Lisbon",
    hours=[{"weekday": day, "opens": 540, "closes": 1020} for day in range(5)],
    holidays=[{"date": "2026-11-25", "name": "A day off"}],
    holiday_region=None,
)


def hours(count):
    return START + dt.timedelta(hours=count)


def rule(trigger, level=LEAD, after=3600, *, number=0, priorities=(), department_ids=()):
    return SimpleNamespace(
        id=UUID(int=number),
        trigger=EscalationTrigger[trigger],
        level=level,
        after_seconds=after,
        priorities=list(priorities),
        department_ids=list(department_ids),
    )


def facts(**given):
    usual = {
        "status": TicketStatus.OPEN,
        "priority": TicketPriority.NORMAL,
        "department_id": HERE,
        "created_at": START,
        "unassigned_since": START,
        "waiting_since": START,
    }
    return Facts(**usual | given)


def due(rules, in_force=None, calendar=None, **given):
    """When which of the rules acts next."""
    found = next_due(rules, facts(**given), in_force, calendar)
    return found and (found.at, rules.index(found.rule))


@pytest.mark.parametrize(
    ("trigger", "given", "since"),
    [
        ("UNASSIGNED", {}, START),
        ("UNASSIGNED", {"unassigned_since": hours(3)}, hours(3)),
        ("UNASSIGNED", {"unassigned_since": None}, None),
        ("NOT_ANSWERED", {}, START),
        ("NOT_ANSWERED", {"first_responded_at": hours(1)}, None),
        ("CUSTOMER_WAITING", {"waiting_since": hours(5)}, hours(5)),
        ("CUSTOMER_WAITING", {"waiting_since": None}, None),
        ("NOT_RESOLVED", {}, START),
        ("SLA_BREACHED", {}, None),
        ("SLA_BREACHED", {"breached_at": hours(2)}, hours(2)),
        ("NOT_ACKNOWLEDGED", {}, None),
    ],
)
def test_each_trigger_counts_since_it_is_the_case(trigger, given, since):
    assert due([rule(trigger)], **given) == (since and (since + dt.timedelta(hours=1), 0))


def test_zero_seconds_are_at_once_at_whatever_hour():
    assert due([rule("NOT_RESOLVED", after=0)]) == (START, 0)
    assert due([rule("NOT_RESOLVED", after=0)], calendar=OFFICE, created_at=hours(-5)) == (hours(-5), 0)


def test_time_is_working_time_of_the_calendar():
    seven_hours = [rule("NOT_RESOLVED", after=7 * 3600)]
    assert due(seven_hours, calendar=OFFICE) == (hours(7), 0)
    assert due(seven_hours, calendar=OFFICE, created_at=hours(4)) == (hours(24 + 3), 0)
    assert due(seven_hours, calendar=OFFICE, created_at=hours(24 + 4)) == (hours(3 * 24 + 3), 0)  # past the day off
    assert due(seven_hours, calendar=OFFICE, created_at=hours(-12)) == (hours(7), 0)
    never = SimpleNamespace(time_zone="UTC", hours=[], holidays=[], holiday_region=None)
    assert due(seven_hours, calendar=never) is None


@pytest.mark.parametrize("given", [{"status": TicketStatus.RESOLVED}, {"status": TicketStatus.CLOSED}])
def test_what_is_resolved_goes_no_further(given):
    assert due([rule("NOT_RESOLVED")], **given) is None


def test_while_pending_only_what_is_not_of_the_desk_counts():
    pending = {"status": TicketStatus.PENDING, "breached_at": START}
    for trigger in ("UNASSIGNED", "NOT_ANSWERED", "CUSTOMER_WAITING"):
        assert due([rule(trigger)], **pending) is None
        assert due([rule(trigger)], status=TicketStatus.ON_HOLD) == (hours(1), 0)
        assert due([rule(trigger)], pending_until=hours(8)) == (hours(9), 0)  # and then anew
    for trigger in ("NOT_RESOLVED", "SLA_BREACHED"):
        assert due([rule(trigger)], **pending) == (hours(1), 0)
        assert due([rule(trigger)], breached_at=START, pending_until=hours(8)) == (hours(1), 0)
    raised = InForce(LEAD, hours(1), acknowledged=False)
    assert due([rule("NOT_ACKNOWLEDGED", MANAGER)], raised, **pending) == (hours(2), 0)


@pytest.mark.parametrize("trigger", ["UNASSIGNED", "NOT_ANSWERED", "CUSTOMER_WAITING", "NOT_RESOLVED", "SLA_BREACHED"])
def test_an_end_or_a_reopening_counts_anew(trigger):
    assert due([rule(trigger)], breached_at=START, escalates_since=hours(5)) == (hours(6), 0)


def test_conditions_hold_or_the_rule_is_not_there():
    for given, holds in (
        ({"priorities": ["NORMAL", "HIGH"]}, True),
        ({"priorities": ["HIGH"]}, False),
        ({"department_ids": [THERE, HERE]}, True),
        ({"department_ids": [THERE]}, False),
        ({"department_ids": [HERE], "priorities": ["LOW"]}, False),
    ):
        assert (due([rule("NOT_RESOLVED", **given)]) is not None) == holds


def test_one_level_at_a_time_and_a_higher_one_waits_for_the_one_below():
    rules = [rule("NOT_RESOLVED", MANAGER, 60), rule("UNASSIGNED", LEAD, 7200), rule("NOT_RESOLVED", DIRECTOR, 0)]
    assert due(rules) == (hours(2), 1)
    assert due(rules, InForce(LEAD, hours(2), acknowledged=False)) == (START + dt.timedelta(minutes=1), 0)
    assert due(rules, InForce(MANAGER, hours(2), acknowledged=False)) == (START, 2)
    assert due(rules, InForce(DIRECTOR, hours(2), acknowledged=False)) is None


def test_nobody_waits_for_a_rule_that_does_not_speak_of_the_ticket():
    elsewhere = rule("NOT_RESOLVED", LEAD, 7200, department_ids=[THERE])
    assert due([rule("NOT_RESOLVED", MANAGER), elsewhere]) == (hours(1), 0)
    not_the_case = rule("SLA_BREACHED", LEAD, 0)
    assert due([rule("NOT_RESOLVED", MANAGER), not_the_case]) == (hours(1), 0)


def test_the_soonest_of_a_level_acts():
    rules = [rule("NOT_RESOLVED", LEAD, 7200), rule("UNASSIGNED", LEAD, 3600), rule("NOT_RESOLVED", LEAD, 9000)]
    assert due(rules) == (hours(1), 1)
    same = [rule("NOT_RESOLVED", number=2), rule("UNASSIGNED", number=1)]
    assert due(same) == (hours(1), 1)
    assert due(same[::-1]) == (hours(1), 0)


def test_what_nobody_acknowledged_goes_on_and_what_somebody_did_stays():
    rules = [rule("NOT_ACKNOWLEDGED", MANAGER), rule("NOT_ACKNOWLEDGED", DIRECTOR), rule("NOT_RESOLVED", DIRECTOR, 0)]
    assert due(rules[:2], InForce(LEAD, hours(5), acknowledged=False)) == (hours(6), 0)
    assert due(rules[:2], InForce(MANAGER, hours(5), acknowledged=False)) == (hours(6), 1)
    assert due(rules[1:2], InForce(LEAD, hours(5), acknowledged=False)) is None  # it watches the level below
    for level in EscalationLevel:
        assert due(rules, InForce(level, hours(5), acknowledged=True)) is None
