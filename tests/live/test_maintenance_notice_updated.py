"""Watching notices of maintenance: each that is ahead once, and then whatever becomes of it, within the audience."""

import datetime as dt

import pytest

from infra.unit import now
from models import Role

UPDATED = """subscription ($services: [ID!]) { maintenanceNoticeUpdated(serviceIds: $services) {
  id title message status createdBy { name } services { name } updates { nodes { message } } } }"""
SCHEDULE = """mutation S($input: ScheduleMaintenanceInput!) { scheduleMaintenance(input: $input) {
  ... on ScheduleMaintenanceSuccess { notice { id } } } }"""
UPDATE = "mutation U($input: UpdateMaintenanceInput!) { updateMaintenance(input: $input) { __typename } }"
POST = "mutation P($input: PostMaintenanceUpdateInput!) { postMaintenanceUpdate(input: $input) { __typename } }"
SUBSCRIBE = "mutation S($input: SubscribeToServiceInput!) { subscribeToService(input: $input) { __typename } }"


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
    async def done(title, audience="EVERYONE", **given):
        usual = {"title": title, "message": title, "severity": "MAJOR", "serviceIds": [mail.gid], "audience": audience}
        usual |= {"startsAt": at(hours=2), "endsAt": at(hours=3), **given}
        return (await api(manager, SCHEDULE, input=usual))["scheduleMaintenance"]["notice"]["id"]

    return done


@pytest.fixture
def post(api, manager):
    async def done(notice, query=POST, **given):
        await api(manager, query, input={"noticeId": notice, **given})

    return done


@pytest.fixture
def watch(signed_in):
    """Opens a socket; `await notice()` gives what is told next."""

    async def watched(viewer, **given):
        client = await signed_in(viewer)
        await client.subscribe(UPDATED, **given)

        async def notice():
            return (await client.item())["maintenanceNoticeUpdated"]

        client.notice = notice
        return client

    return watched


async def test_what_is_ahead_is_told_once_and_then_each_change(schedule, post, watch, customer, manager):
    over = await schedule("Over")
    for status in ("IN_PROGRESS", "COMPLETED"):
        await post(over, status=status)
    first, second = await schedule("First"), await schedule("Second", startsAt=at(hours=2, minutes=1))
    await post(second, status="IN_PROGRESS")
    client = await watch(customer)
    told = [await client.notice() for _ in range(2)]
    assert sorted(each["title"] for each in told) == ["First", "Second"]
    assert all(each["createdBy"] is None for each in told)
    assert all(each["services"] == [{"name": "Mail"}] for each in told)
    await client.quiet()

    await post(first, message="It takes longer.")
    assert (await client.notice())["updates"]["nodes"] == [{"message": "It takes longer."}]
    await post(first, UPDATE, title="Changed")
    assert (await client.notice())["title"] == "Changed"
    await post(first, status="CANCELLED")
    assert (await client.notice())["status"] == "CANCELLED"
    await post(over, message="What went wrong.")
    assert (await client.notice())["title"] == "Over"
    third = await schedule("Third")
    assert (await client.notice())["id"] == third
    await client.quiet()


async def test_staff_are_told_who_announced_it(schedule, watch, agent):
    await schedule("First", "STAFF")
    client = await watch(agent)
    assert (await client.notice())["createdBy"] == {"name": "Mia Manager"}


async def test_nobody_outside_its_audience_hears_of_it(api, schedule, post, watch, customer, stranger, mail):
    await api(customer, SUBSCRIBE, input={"serviceId": mail.gid})
    staff, subscribers = await schedule("zq-staff", "STAFF"), await schedule("zq-subscribers", "SUBSCRIBERS")
    within, without = await watch(customer), await watch(stranger)
    assert (await within.notice())["title"] == "zq-subscribers"
    await without.quiet()
    await post(staff, message="zq-staff")
    await post(subscribers, message="zq-subscribers")
    assert (await within.notice())["title"] == "zq-subscribers"
    for client in (within, without):
        await client.quiet()


async def test_whoever_subscribes_to_a_service_is_told_at_once(api, schedule, watch, stranger, mail):
    await schedule("First", "SUBSCRIBERS")
    client = await watch(stranger)
    await client.quiet()
    await api(stranger, SUBSCRIBE, input={"serviceId": mail.gid})
    assert (await client.notice())["title"] == "First"


async def test_of_some_services_alone(schedule, post, watch, house, customer, mail):
    web = await house.service("Web")
    of_mail, of_web = await schedule("First"), await schedule("Second", serviceIds=[web.gid])
    client = await watch(customer, services=[web.gid])
    assert (await client.notice())["title"] == "Second"
    await post(of_mail, message="x")
    await client.quiet()
    await post(of_web, UPDATE, serviceIds=[mail.gid])
    await client.quiet()
    await post(of_mail, UPDATE, serviceIds=[mail.gid, web.gid])
    assert (await client.notice())["title"] == "First"


async def test_it_is_for_whoever_is_signed_in(signed_in):
    client = await signed_in(None)
    await client.subscribe(UPDATED)
    assert "UNAUTHENTICATED" in str(await client.receive())
