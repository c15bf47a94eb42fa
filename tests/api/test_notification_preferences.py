"""What somebody wants to be told of, and how: the defaults, what was set, and what can't be turned off."""

import pytest

from domain.preferences import STAFF_ALONE
from models import NotificationKind, Role

READ = "{ viewer { notificationPreferences { kind channel enabled locked } } }"
SET = """mutation ($input: SetNotificationPreferencesInput!) { setNotificationPreferences(input: $input) { __typename
  ... on SetNotificationPreferencesSuccess { preferences { kind channel enabled locked } }
  ... on InvalidInput { field problems { field } } ... on Refusal { message } } }"""


@pytest.fixture
def read(api):
    """What somebody is told of: (enabled, locked) by kind and channel."""

    async def found(viewer):
        return by_way((await api(viewer, READ))["viewer"]["notificationPreferences"])

    return found


@pytest.fixture
def set_(api):
    """Sets preferences, each given as kind, channel and whether."""

    async def done(viewer, *ways):
        given = [{"kind": kind, "channel": channel, "enabled": enabled} for kind, channel, enabled in ways]
        return (await api(viewer, SET, input={"preferences": given}))["setNotificationPreferences"]

    return done


def by_way(preferences):
    found = {(each["kind"], each["channel"]): (each["enabled"], each["locked"]) for each in preferences}
    assert len(found) == len(preferences)
    return found


async def test_everything_is_on_but_mail_of_what_concerns_the_department(read, customer, agent):
    ours, theirs = await read(agent), await read(customer)
    kinds = {kind.name for kind in NotificationKind}
    assert ours.keys() == {(kind, channel) for kind in kinds for channel in ("EMAIL", "IN_APP")}
    assert {way for way, (enabled, _) in ours.items() if not enabled} == {
        ("TICKET_SUBMITTED", "EMAIL"),
        ("TRIAGE_NEEDED", "EMAIL"),
    }
    assert {way for way, (_, locked) in ours.items() if locked} == {
        ("TICKET_ESCALATED", "IN_APP"),
        ("TICKET_RESOLVED", "EMAIL"),
    }
    staff_alone = {kind.name for kind in STAFF_ALONE}
    assert theirs == {way: said for way, said in ours.items() if way[0] not in staff_alone}


async def test_what_is_set_holds_and_the_rest_stays(read, set_, customer, stranger):
    before = await read(customer)

    answer = await set_(customer, ("COMMENT_ADDED", "EMAIL", False), ("STATUS_CHANGED", "IN_APP", False))

    expected = before | {("COMMENT_ADDED", "EMAIL"): (False, False), ("STATUS_CHANGED", "IN_APP"): (False, False)}
    assert by_way(answer["preferences"]) == expected == await read(customer)
    assert await read(stranger) == before
    again = await set_(customer, ("COMMENT_ADDED", "EMAIL", True), ("STATUS_CHANGED", "IN_APP", True))
    assert by_way(again["preferences"]) == before == await read(customer)


async def test_of_one_that_is_named_twice_the_last_holds(set_, read, customer):
    await set_(customer, ("COMMENT_ADDED", "EMAIL", True), ("COMMENT_ADDED", "EMAIL", False))
    assert (await read(customer))["COMMENT_ADDED", "EMAIL"] == (False, False)


async def test_a_whole_form_may_be_sent_back(set_, read, agent, database):
    before = await read(agent)
    answer = await set_(agent, *((kind, channel, enabled) for (kind, channel), (enabled, _) in before.items()))
    assert by_way(answer["preferences"]) == before
    assert await database.rows("SELECT 1 FROM notification_preferences WHERE kind = 'TICKET_ESCALATED'") != []


@pytest.mark.parametrize(
    ("ways", "fields"),
    [
        ([], ["preferences"]),
        ([("STATUS_CHANGED", "EMAIL", True)] * 51, ["preferences"]),
        ([("TICKET_RESOLVED", "EMAIL", False)], ["preferences.0.enabled"]),
        (
            [("COMMENT_ADDED", "EMAIL", False), ("TICKET_ESCALATED", "IN_APP", False), ("MENTIONED", "IN_APP", True)],
            ["preferences.1.enabled", "preferences.2.kind"],
        ),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(set_, database, customer, ways, fields):
    before = await database.counts()

    answer = await set_(customer, *ways)

    assert answer["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


async def test_who_is_staff_no_more_reads_what_customers_do(read, set_, house, database, support):
    person = await house.person("Paul Promoted", Role.AGENT, support)
    await set_(person, ("MENTIONED", "IN_APP", False))
    assert (await read(person))["MENTIONED", "IN_APP"] == (False, False)


async def test_nobody_sets_anything(api, database):
    before = await database.counts()
    given = {"preferences": [{"kind": "COMMENT_ADDED", "channel": "EMAIL", "enabled": False}]}
    assert await api.refused(None, SET, input=given) == "UNAUTHENTICATED"
    assert await database.counts() == before
