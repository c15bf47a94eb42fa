"""Maintenance notices: announcing, changing and moving them on, and who sees which."""

import asyncio
import datetime as dt

import pytest

from domain import words
from infra.unit import now
from models import Role

NOTICE = """id title message messageHtml severity status audience channels startsAt endsAt startedAt endedAt
  remindBeforeSeconds automatic createdAt createdBy { name } services { name status }
  updates { totalCount nodes { id message messageHtml status at author { name } } }"""
REFUSED = """... on InvalidInput { field problems { field message } } ... on NotFound { field }
  ... on NotAllowed { message }
  ... on Conflict { reason current { id ... on MaintenanceNotice { status } } }"""
SCHEDULE = f"""mutation ($input: ScheduleMaintenanceInput!) {{ scheduleMaintenance(input: $input) {{ __typename
  ... on ScheduleMaintenanceSuccess {{ notice {{ {NOTICE} }} }} {REFUSED} }} }}"""
UPDATE = f"""mutation ($input: UpdateMaintenanceInput!) {{ updateMaintenance(input: $input) {{ __typename
  ... on UpdateMaintenanceSuccess {{ notice {{ {NOTICE} }} }} {REFUSED} }} }}"""
POST = f"""mutation ($input: PostMaintenanceUpdateInput!) {{ postMaintenanceUpdate(input: $input) {{ __typename
  ... on PostMaintenanceUpdateSuccess {{ update {{ id status }} notice {{ {NOTICE} }} }} {REFUSED} }} }}"""
ONE = f"query ($id: ID!) {{ maintenanceNotice(id: $id) {{ {NOTICE} }} node(id: $id) {{ id }} }}"
LIST = """query ($filter: MaintenanceFilter, $first: Int, $after: String) {
  maintenanceNotices(filter: $filter, first: $first, after: $after) {
    totalCount nodes { id title } pageInfo { hasNextPage endCursor } } }"""
REACH = """query ($services: [ID!]!, $audience: MaintenanceAudience!) {
  maintenanceReach(serviceIds: $services, audience: $audience) { personCount emailCount inAppCount } }"""
SUBSCRIBE = """mutation ($input: SubscribeToServiceInput!) { subscribeToService(input: $input) { __typename } }"""
UNSUBSCRIBE = """mutation ($input: UnsubscribeFromServiceInput!) {
  unsubscribeFromService(input: $input) { __typename } }"""
NOWHERE = "mnt_00000000-0000-7000-8000-000000000000"
NO_SERVICE = "svc_00000000-0000-7000-8000-000000000000"


def at(**later):
    return (now() + dt.timedelta(**later)).isoformat()


@pytest.fixture
async def manager(house, support):
    return await house.person("Mia Manager", Role.MANAGER, support)


@pytest.fixture
async def mail(house):
    return await house.service("Mail")


@pytest.fixture
async def web(house):
    return await house.service("Web")


@pytest.fixture
def form(mail):
    """What a manager fills in."""

    def filled(**given):
        usual = {"title": "New disks", "message": "No mail.", "severity": "MAJOR", "serviceIds": [mail.gid]}
        return usual | {"startsAt": at(hours=2), "endsAt": at(hours=3)} | given

    return filled


@pytest.fixture
def schedule(api, manager, form):
    """Announces maintenance; gives the notice, or the refusal."""

    async def done(viewer=manager, **given):
        answer = (await api(viewer, SCHEDULE, input=form(**given)))["scheduleMaintenance"]
        return answer.get("notice") or answer

    return done


@pytest.fixture
def update(api, manager):
    async def done(notice, viewer=manager, **given):
        answer = (await api(viewer, UPDATE, input={"noticeId": notice["id"], **given}))["updateMaintenance"]
        return answer.get("notice") or answer

    return done


@pytest.fixture
def post(api, manager):
    async def done(notice, viewer=manager, **given):
        answer = (await api(viewer, POST, input={"noticeId": notice["id"], **given}))["postMaintenanceUpdate"]
        return answer.get("notice") or answer

    return done


@pytest.fixture
def seen(api):
    """The titles that somebody lists."""

    async def titles(viewer, **filter):
        found = (await api(viewer, LIST, filter=filter))["maintenanceNotices"]
        assert found["totalCount"] == len(found["nodes"])
        return [each["title"] for each in found["nodes"]]

    return titles


async def test_who_was_told_of_one_notice_sees_no_other(api, schedule, seen, work, customer, mail, web):
    await api(customer, SUBSCRIBE, input={"serviceId": mail.gid})
    await schedule(title="Told", audience="SUBSCRIBERS")
    await schedule(title="Not for them", audience="SUBSCRIBERS", serviceIds=[web.gid])
    await work.run()

    await api(customer, UNSUBSCRIBE, input={"serviceId": mail.gid})

    assert await seen(customer) == ["Told"]


async def test_what_one_notice_concerns_changes_for_no_other(api, schedule, update, manager, web):
    first, second = await schedule(), await schedule(title="Another")

    changed = await update(first, serviceIds=[web.gid])

    assert [service["name"] for service in changed["services"]] == ["Web"]
    assert (await api(manager, ONE, id=second["id"]))["maintenanceNotice"]["services"] == second["services"]


async def test_a_message_that_many_read_is_rendered_once(api, schedule, manager, agent, mail, monkeypatch):
    rendered, render = [], words.html
    monkeypatch.setattr(words, "html", lambda text: rendered.append(text) or render(text))
    made = await schedule(message="*Slow* from {{startsAt}} on, for once.")
    html = made["messageHtml"]

    for viewer in (manager, agent):
        assert (await api(viewer, ONE, id=made["id"]))["maintenanceNotice"]["messageHtml"] == html
    assert len(rendered) == 1


async def test_a_manager_announces_maintenance(api, schedule, form, mail, web, manager):
    given = form(serviceIds=[web.gid, mail.gid, web.gid], remindBeforeSeconds=3600, channels=["IN_APP"])
    made = await schedule(**given)
    assert made.pop("id").startswith("mnt_")
    assert dt.datetime.fromisoformat(made.pop("createdAt")) <= now()
    for name in ("startsAt", "endsAt"):
        assert dt.datetime.fromisoformat(made.pop(name)) == dt.datetime.fromisoformat(given[name])
    assert made == {
        "title": "New disks",
        "message": "No mail.",
        "messageHtml": "<p>No mail.</p>",
        "severity": "MAJOR",
        "status": "SCHEDULED",
        "audience": "SUBSCRIBERS",
        "channels": ["IN_APP"],
        "startedAt": None,
        "endedAt": None,
        "remindBeforeSeconds": 3600,
        "automatic": True,
        "createdBy": {"name": "Mia Manager"},
        "services": [{"name": name, "status": "MAINTENANCE_SOON"} for name in ("Mail", "Web")],
        "updates": {"totalCount": 0, "nodes": []},
    }
    assert (await schedule())["channels"] == ["EMAIL", "IN_APP"]


async def test_placeholders_are_filled_in_for_each_reader(api, schedule, database, customer, manager, mail, web):
    made = await schedule(
        message="{{services}} rest from {{startsAt}} to {{ endsAt }}.", audience="EVERYONE",
        serviceIds=[mail.gid, web.gid], startsAt="2101-06-01T10:00:00Z", endsAt="2101-06-01T12:30:00Z",
    )  # fmt: skip
    said = "Mail, Web rest from June 1, 2101, 10:00 AM UTC to June 1, 2101, 12:30 PM UTC."
    assert made["message"].replace("\u202f", " ") == said
    await database.rows("UPDATE people SET locale = 'de', time_zone = 'Europe/Berlin' WHERE id = :id", id=customer.id)
    read = (await api(customer, ONE, id=made["id"]))["maintenanceNotice"]
    assert "1. Juni 2101, 12:00" in read["message"]
    assert "14:30" in read["messageHtml"]
    assert read["createdBy"] is None


async def test_a_date_at_the_beginning_is_no_list(api, schedule, database, customer, work, mailbox, mail):
    times = {"startsAt": "2101-06-01T10:00:00Z", "endsAt": "2101-06-01T12:30:00Z"}
    await database.rows("UPDATE people SET locale = 'de' WHERE id = :id", id=customer.id)
    made = await schedule(message="{{startsAt}}: all rests.", audience="EVERYONE", serviceIds=[mail.gid], **times)

    read = (await api(customer, ONE, id=made["id"]))["maintenanceNotice"]
    await work.run()
    text, html = (mailbox.to(customer.email)[0].get_body((kind,)).get_content() for kind in ("plain", "html"))

    assert "<p>1. Juni 2101, 10:00 UTC: all rests.</p>" in read["messageHtml"]
    assert "<p>1. Juni 2101, 10:00 UTC: all rests.</p>" in html
    assert "    1. Juni 2101, 10:00 UTC: all rests." in text


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"title": " ", "message": ""}, ["title", "message"]),
        ({"title": "x" * 201, "message": "x" * 10_001}, ["title", "message"]),
        ({"message": "{{name}}"}, ["message"]),
        ({"message": "{% for x in y %}{% endfor %}"}, ["message"]),
        ({"message": "{{ startsAt.__class__ }}"}, ["message"]),
        ({"serviceIds": []}, ["serviceIds"]),
        ({"serviceIds": [NO_SERVICE] * 51}, ["serviceIds"]),
        ({"serviceIds": ["svc_1"]}, ["serviceIds.0"]),
        ({"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z"}, ["startsAt"]),
        ({"startsAt": "2101-01-02T00:00:00Z", "endsAt": "2101-01-02T00:00:00Z"}, ["endsAt"]),
        ({"startsAt": "2101-01-02T00:00:00Z", "endsAt": "2101-02-02T00:00:00Z"}, ["endsAt"]),
        ({"channels": []}, ["channels"]),
        ({"remindBeforeSeconds": 599}, ["remindBeforeSeconds"]),
        ({"remindBeforeSeconds": 604_801}, ["remindBeforeSeconds"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(schedule, manager, mail, database, given, fields):
    before = await database.counts()
    refusal = await schedule(**given)
    assert refusal["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


async def test_services_must_be_in_use(schedule, database, manager, mail, web):
    await database.rows("UPDATE services SET archived_at = now() WHERE id = :id", id=web.id)
    before = await database.counts()
    for gid in (web.gid, NO_SERVICE):
        refusal = await schedule(serviceIds=[mail.gid, gid])
        assert (refusal["__typename"], refusal["field"]) == ("NotFound", "serviceIds.1")
    assert await database.counts() == before


async def test_the_same_intent_is_done_once(schedule, form, database, manager, mail):
    given = form(idempotencyKey="k1")
    first, second = await schedule(**given), await schedule(**given)
    assert first == second
    assert len(await database.rows("SELECT * FROM maintenance_notices")) == 1
    assert (await schedule(**(given | {"title": "Other"})))["reason"] == "KEY_REUSED"


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.TEAM_LEAD])
async def test_only_managers_announce_change_and_post(
    api, house, support, database, schedule, update, post, mail, role
):
    made = await schedule(audience="EVERYONE")
    viewer = await house.person("Someone Else", role, *([support] if role is not Role.CUSTOMER else []))
    before = await database.counts()
    assert (await schedule(viewer))["__typename"] == "NotAllowed"
    for notice in (made, {"id": NOWHERE}):
        assert (await update(notice, viewer, title="x"))["__typename"] == "NotAllowed"
        assert (await post(notice, viewer, message="x"))["__typename"] == "NotAllowed"
    assert await api.refused(viewer, REACH, services=[mail.gid], audience="STAFF") == "NOT_ALLOWED"
    for query in (SCHEDULE, UPDATE, POST):
        given = {"input": {"noticeId": made["id"]}} if query is not SCHEDULE else {"input": {}}
        if query is SCHEDULE:
            continue
        assert await api.refused(None, query, **given) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_what_is_changed_and_what_stays(schedule, update, mail, web, manager):
    made = await schedule(remindBeforeSeconds=3600)
    changed = await update(
        made, title="Newer disks", message="No mail at all.", severity="CRITICAL", serviceIds=[web.gid],
        endsAt=at(hours=5), remindBeforeSeconds=None, automatic=False,
    )  # fmt: skip
    assert (changed["title"], changed["message"], changed["severity"]) == ("Newer disks", "No mail at all.", "CRITICAL")
    assert changed["services"] == [{"name": "Web", "status": "MAINTENANCE_SOON"}]
    assert (changed["remindBeforeSeconds"], changed["automatic"]) == (None, False)
    assert (changed["startsAt"], changed["audience"]) == (made["startsAt"], made["audience"])
    assert changed["updates"]["totalCount"] == 0


async def test_a_change_that_changes_nothing_leaves_no_trace(schedule, update, database, manager, mail):
    made = await schedule()
    before = await database.counts()
    given = {"title": made["title"], "startsAt": made["startsAt"], "serviceIds": [mail.gid]}
    assert await update(made, **given) == made
    assert await database.counts() == before


async def test_what_can_not_be_changed(schedule, update, post, database, manager):
    made = await schedule()
    before = await database.counts()
    empty = ("title", "message", "severity", "serviceIds", "startsAt", "endsAt", "automatic")
    refusal = await update(made, **dict.fromkeys(empty))
    assert [problem["field"] for problem in refusal["problems"]] == list(empty)
    refusal = await update(made, title=None, message="{{x}}", remindBeforeSeconds=1)
    assert [problem["field"] for problem in refusal["problems"]] == ["title", "message", "remindBeforeSeconds"]
    for given, field in (
        ({"startsAt": at(hours=-1)}, "startsAt"),
        ({"endsAt": at(hours=1)}, "endsAt"),
        ({"message": "{{x}}"}, "message"),
        ({"remindBeforeSeconds": 1}, "remindBeforeSeconds"),
    ):
        refusal = await update(made, **given)
        assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", field)
    assert await update({"id": NOWHERE}, title="x") == {"__typename": "NotFound", "field": "noticeId"}
    assert await database.counts() == before
    begun = await post(made, status="IN_PROGRESS")
    refusal = await update(begun, startsAt=at(hours=2, minutes=1))
    current = {"id": made["id"], "status": "IN_PROGRESS"}
    assert refusal == {"__typename": "Conflict", "reason": "WRONG_STATE", "current": current}
    assert (await update(begun, endsAt=at(hours=4)))["status"] == "IN_PROGRESS"
    await post(made, status="COMPLETED")
    assert (await update(made, title="x"))["reason"] == "WRONG_STATE"


async def test_what_began_early_may_end_before_it_was_to_begin(schedule, update, post, manager):
    made = await schedule(message="From {{startsAt}}")
    await post(made, status="IN_PROGRESS")

    changed = await update(made, endsAt=at(hours=1))

    assert (changed["startsAt"], changed["status"]) == (made["startsAt"], "IN_PROGRESS")
    assert changed["startedAt"] < changed["endsAt"] < changed["startsAt"]
    assert changed["message"] != made["message"]  # which says when it began
    assert (await update(made, title="Newer disks"))["title"] == "Newer disks"
    refusal = await update(made, endsAt=at(hours=-1))
    assert refusal["field"] == "endsAt"


async def test_who_asks_for_another_state_is_told_which_can_be(api, schedule, manager):
    say = """mutation ($input: PostMaintenanceUpdateInput!) {
      said: postMaintenanceUpdate(input: $input) { ... on Refusal { message } } }"""
    notice_id = (await schedule())["id"]
    asked = ("COMPLETED", "IN_PROGRESS", "SCHEDULED", "COMPLETED", "CANCELLED")
    answers = [(await api(manager, say, input={"noticeId": notice_id, "status": each}))["said"] for each in asked]
    told = [answer.get("message") for answer in answers]

    assert told == [
        "This notice is scheduled: it can become in progress or cancelled.",
        None,
        "This notice is in progress: it can become completed or cancelled.",
        None,
        "This notice is completed: it stays so.",
    ]


MOVES = {("SCHEDULED", "IN_PROGRESS"), ("SCHEDULED", "CANCELLED"), ("IN_PROGRESS", "COMPLETED")}
MOVES |= {("IN_PROGRESS", "CANCELLED")}
WAY = {"SCHEDULED": [], "IN_PROGRESS": ["IN_PROGRESS"], "COMPLETED": ["IN_PROGRESS", "COMPLETED"]}
WAY |= {"CANCELLED": ["CANCELLED"]}


@pytest.mark.parametrize("status", WAY)
async def test_its_states(api, schedule, post, database, manager, mail, status):
    for wanted in WAY:
        await database.rows("UPDATE maintenance_notices SET status = 'CANCELLED'")
        made = await schedule()
        for step in WAY[status]:
            made = await post(made, status=step, notify=False)
        before = await database.counts()
        moved = await post(made, status=wanted)
        if (status, wanted) not in MOVES:
            current = {"id": made["id"], "status": status}
            assert moved == {"__typename": "Conflict", "reason": "WRONG_STATE", "current": current}
            assert await database.counts() == before
            continue
        assert moved["status"] == wanted
        assert (moved["startedAt"] is not None) == ("IN_PROGRESS" in (status, wanted))
        assert (moved["endedAt"] is not None) == (wanted in {"COMPLETED", "CANCELLED"})
        newest = moved["updates"]["nodes"][0]
        assert (newest["status"], newest["message"], newest["author"]) == (wanted, None, {"name": "Mia Manager"})
        (service,) = moved["services"]
        assert service["status"] == ("UNDER_MAINTENANCE" if wanted == "IN_PROGRESS" else "OPERATIONAL")


async def test_updates_say_something_newest_first(api, schedule, post, customer, manager, database):
    made = await schedule(audience="EVERYONE")
    await post(made, message="It *may* take longer.")
    await post(made, status="SCHEDULED", message="Or not.")
    read = await post(made, status="IN_PROGRESS", message="Go.")
    nodes = read["updates"]["nodes"]
    assert [(each["message"], each["status"]) for each in nodes] == [
        ("Go.", "IN_PROGRESS"), ("Or not.", "SCHEDULED"), ("It *may* take longer.", "SCHEDULED"),
    ]  # fmt: skip
    assert nodes[2]["messageHtml"] == "<p>It <em>may</em> take longer.</p>"
    read = (await api(customer, ONE, id=made["id"]))["maintenanceNotice"]["updates"]
    assert [each["author"] for each in read["nodes"]] == [None] * 3
    before = await database.counts()
    for given in ({}, {"message": " "}, {"message": "x" * 10_001}):
        assert (await post(made, **given))["field"] == "message"
    assert (await post({"id": NOWHERE}, message="x")) == {"__typename": "NotFound", "field": "noticeId"}
    assert await database.counts() == before


async def test_two_who_move_it_at_once_do_it_once(schedule, post, manager):
    made = await schedule()
    answers = await asyncio.gather(*(post(made, status="IN_PROGRESS") for _ in range(4)))
    assert sorted(answer.get("__typename", "") for answer in answers) == ["", *["Conflict"] * 3]


async def test_each_audience_sees_its_own(
    api, schedule, post, seen, customer, stranger, agent, manager, mail, web, ticket
):
    await api(customer, SUBSCRIBE, input={"serviceId": mail.gid})
    notices = {}
    for number, audience in enumerate(("SUBSCRIBERS", "EVERYONE", "STAFF")):
        canary = f"zq-{audience}"
        notices[audience] = await schedule(
            title=f"{audience} {canary}", message=canary, audience=audience, startsAt=at(hours=2, minutes=number)
        )
        notices[audience] = await post(notices[audience], message=canary)
    sees = [(None, []), (customer, ["SUBSCRIBERS", "EVERYONE"]), (stranger, ["EVERYONE"])]
    sees += [(viewer, list(notices)) for viewer in (agent, manager)]
    through = "{ services { nodes { name status maintenanceNotices { totalCount nodes { title message } } } } }"
    for viewer, mine in sees:
        assert await seen(viewer) == [notices[name]["title"] for name in mine]
        answer = await api.answer(viewer, through)
        assert {name for name in notices if f"zq-{name}" in str(answer)} == set(mine)
        (mails, _) = answer["data"]["services"]["nodes"]
        assert mails["maintenanceNotices"]["totalCount"] == len(mine)
        assert mails["status"] == "MAINTENANCE_SOON"
        for name, notice in notices.items():
            for gid, missing in ((notice["id"], NOWHERE), (notice["updates"]["nodes"][0]["id"], "mup_" + NOWHERE[4:])):
                query = ONE if gid.startswith("mnt") else "query ($id: ID!) { node(id: $id) { id } }"
                found = await api.answer(viewer, query, id=gid)
                assert (found["data"]["node"] is not None) == (name in mine)
                if name not in mine:
                    assert found == await api.answer(viewer, query, id=missing)


async def test_what_is_for_staff_shows_in_no_status(api, schedule, post, customer, agent, mail):
    made = await schedule(audience="STAFF")
    query = "{ services { nodes { status } } }"
    for status, after in (("MAINTENANCE_SOON", "IN_PROGRESS"), ("UNDER_MAINTENANCE", "COMPLETED")):
        for viewer, shown in ((customer, "OPERATIONAL"), (None, "OPERATIONAL"), (agent, status)):
            assert (await api(viewer, query))["services"]["nodes"] == [{"status": shown}]
        made = await post(made, status=after)
    assert (await api(agent, query))["services"]["nodes"] == [{"status": "OPERATIONAL"}]


async def test_what_takes_longer_than_planned_lasts_until_now(schedule, post, seen, database, manager):
    await post(await schedule(title="Long", automatic=False), status="IN_PROGRESS")
    began = "now() - interval '3 hours'"
    times = f"starts_at = {began}, started_at = {began}, ends_at = {began} + interval '1 hour'"
    await database.rows(f"UPDATE maintenance_notices SET {times}")

    assert await seen(manager, window={"from": at(hours=-1)}) == ["Long"]
    assert await seen(manager, window={"from": at(hours=1)}) == []


async def test_lists_are_filtered_and_in_pages(api, schedule, post, seen, manager, mail, web):
    late = await schedule(title="Late", startsAt=at(days=3), endsAt=at(days=4), severity="INFO")
    soon = await schedule(title="Soon", startsAt=at(hours=30), endsAt=at(hours=31), serviceIds=[web.gid])
    over = await schedule(title="Over")
    for status in ("IN_PROGRESS", "COMPLETED"):
        await post(over, status=status)
    assert await seen(manager) == ["Soon", "Late"]
    assert soon["services"] == [{"name": "Web", "status": "OPERATIONAL"}]
    assert await seen(manager, statuses=["COMPLETED"]) == ["Over"]
    assert await seen(manager, statuses=[]) == []
    assert await seen(manager, severities=["INFO"]) == ["Late"]
    assert await seen(manager, serviceIds=[web.gid]) == ["Soon"]
    assert await seen(manager, window={"from": at(days=2)}) == ["Late"]
    assert await seen(manager, window={"from": at(hours=30, minutes=30), "to": late["startsAt"]}) == ["Soon"]
    assert await seen(manager, window={"to": at(hours=1)}) == []
    gone = await schedule(title="Gone", startsAt=at(days=3), endsAt=at(days=4))
    await post(gone, status="CANCELLED")
    assert await seen(manager, window={"from": at(days=2)}, statuses=["SCHEDULED", "CANCELLED"]) == ["Late", "Gone"]
    page = (await api(manager, LIST, first=1))["maintenanceNotices"]
    assert (page["nodes"][0]["title"], page["totalCount"], page["pageInfo"]["hasNextPage"]) == ("Soon", 2, True)
    page = (await api(manager, LIST, first=1, after=page["pageInfo"]["endCursor"]))["maintenanceNotices"]
    assert page["nodes"][0]["title"] == "Late"
    for wrong in ({"serviceIds": ["per_1"]}, {"serviceIds": [NO_SERVICE] * 51}):
        assert await api.refused(manager, LIST, filter=wrong) == "BAD_REQUEST"


async def test_whom_it_would_reach(api, house, database, customer, stranger, agent, manager, mail, web, admin):
    await api(customer, SUBSCRIBE, input={"serviceId": mail.gid})
    gone = await house.person("Gone", Role.AGENT)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    await house.person("Robot", email="no-reply@example.com")
    await database.rows("INSERT INTO notification_preferences VALUES (:id, 'MAINTENANCE', 'EMAIL', false)", id=agent.id)

    async def reach(audience, *services):
        found = await api(manager, REACH, services=[each.gid for each in services], audience=audience)
        return tuple(found["maintenanceReach"].values())

    assert await reach("STAFF", mail) == (3, 2, 3)
    assert await reach("SUBSCRIBERS", mail) == (4, 3, 4)
    assert await reach("SUBSCRIBERS", web) == (3, 2, 3)
    assert await reach("EVERYONE", mail, web) == (6, 4, 6)
    for wrong in ([], ["per_1"], [NO_SERVICE] * 51):
        assert await api.refused(manager, REACH, services=wrong, audience="STAFF") == "BAD_REQUEST"
    assert await api.refused(customer, REACH, services=[mail.gid], audience="STAFF") == "NOT_ALLOWED"
