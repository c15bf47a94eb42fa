"""Notices, who is told of them, and what became of that are found by indexes, however many people there are."""

import datetime as dt

import pytest

from domain import broadcasting, maintenance, services
from domain.access import Viewer
from domain.maintenance import announcing, clock, following, saying
from domain.ranges import FIRST
from infra.ids import new_id
from infra.unit import now
from models import HappeningKind, MaintenanceAudience, Role

GROWING = {
    "people",
    "service_subscriptions",
    "maintenance_notices",
    "maintenance_services",
    "maintenance_happenings",
    "maintenance_recipients",
    "messages",
    "notifications",
}
# A notice of which everybody was told, and many of the past; a service to which everybody is subscribed.
SEED = """
INSERT INTO people (id, name, email, role, active, created_at, changed_at)
SELECT gen_random_uuid(), 'Reader ' || n, 'reader' || n || '@many.example.com', 'CUSTOMER', true, now(), now()
FROM generate_series(1, 10000) AS n;
INSERT INTO services (id, name) SELECT gen_random_uuid(), 'Service ' || n FROM generate_series(1, 20) AS n;
INSERT INTO service_subscriptions (service_id, person_id)
SELECT s.id, p.id FROM services AS s, people AS p WHERE s.name = 'Service 1';
INSERT INTO maintenance_notices (id, title, message, severity, status, audience, channels, starts_at, ends_at,
    reminder_at, automatic, timer_at, version, changed_at, created_at)
SELECT gen_random_uuid(), 'Notice ' || n, '', 'MINOR', CASE WHEN n <= 20 THEN 'SCHEDULED' ELSE 'COMPLETED' END,
    (ARRAY['SUBSCRIBERS', 'EVERYONE', 'STAFF'])[n % 3 + 1], '{EMAIL,IN_APP}', now() + (20 - n) * interval '8 hours',
    now() + (21 - n) * interval '8 hours', NULL, true, CASE WHEN n <= 20 THEN now() + n * interval '8 hours' END, 2,
    now() - n * interval '8 hours', now() - n * interval '8 hours'
FROM generate_series(1, 2000) AS n;
INSERT INTO maintenance_services (notice_id, service_id)
SELECT n.id, s.id FROM maintenance_notices AS n, services AS s
WHERE s.name = 'Service ' || substr(n.title, 8)::int % 20 + 1;
INSERT INTO maintenance_happenings (id, notice_id, kind, status, at, told_at)
SELECT gen_random_uuid(), n.id, kind, n.status, n.changed_at, n.changed_at
FROM maintenance_notices AS n, unnest(ARRAY['ANNOUNCED', 'POSTED']) AS kind;
INSERT INTO maintenance_recipients (notice_id, person_id)
SELECT n.id, p.id FROM maintenance_notices AS n, people AS p WHERE n.title = 'Notice 3'
UNION ALL SELECT n.id, p.id FROM maintenance_notices AS n, people AS p
    WHERE n.title <> 'Notice 3' AND p.email LIKE 'reader1%5@many.example.com' AND substr(n.title, 8)::int % 40 = 0;
INSERT INTO messages (id, kind, status, recipient_id, event_ids, not_before, attempts, created_at, sent_at)
SELECT gen_random_uuid(), 'MAINTENANCE', 'SENT', p.id, ARRAY[h.id], h.at, 1, h.at, h.at
FROM maintenance_happenings AS h JOIN maintenance_notices AS n ON n.id = h.notice_id, people AS p
WHERE n.title = 'Notice 3' AND h.kind = 'ANNOUNCED' AND p.email LIKE 'reader%';
INSERT INTO notifications (id, person_id, seq, kind, cause_id, at)
SELECT gen_random_uuid(), p.id, 100000, 'MAINTENANCE', h.id, h.at
FROM maintenance_happenings AS h JOIN maintenance_notices AS n ON n.id = h.notice_id, people AS p
WHERE n.title = 'Notice 3' AND h.kind = 'ANNOUNCED' AND p.email LIKE 'reader%';
ANALYZE;
"""
CUSTOMER, AGENT, DIRECTOR = (Viewer(role, new_id()) for role in (Role.CUSTOMER, Role.AGENT, Role.DIRECTOR))
VIEWERS = {"customer": CUSTOMER, "agent": AGENT, "director": DIRECTOR}
NOTICES = """query ($filter: MaintenanceFilter) { maintenanceNotices(first: 20, filter: $filter) {
  nodes { title message services { name } updates(first: 5) { nodes { status } } } pageInfo { hasNextPage } } }"""
NOTICE = """query ($id: ID!) { maintenanceNotice(id: $id) { title createdBy { name }
  deliveries { channel queuedCount sentCount failedCount skippedCount readCount } } }"""
SERVICE = """query ($id: ID!) { node(id: $id) { ... on Service { status viewerIsSubscribed
  maintenanceNotices(first: 20) { nodes { title } } subscribers(first: 20) { nodes { name } } } } }"""
PERSON = "query ($id: ID!) { node(id: $id) { ... on Person { subscribedServices(first: 20) { nodes { name } } } } }"


@pytest.fixture(scope="module")
async def seeded(large):
    """The keys of the notice that everybody was told of, of its first happening, and of the service that all follow."""
    await large.execute("BEGIN; SET LOCAL statement_timeout = 0")
    await large.execute(SEED)
    yield await large.fetchrow(
        "SELECT n.id AS notice, h.id AS happening, (SELECT id FROM services WHERE name = 'Service 1') AS service"
        " FROM maintenance_notices AS n JOIN maintenance_happenings AS h ON h.notice_id = n.id"
        " WHERE n.title = 'Notice 3' AND h.kind = 'ANNOUNCED'"
    )
    await large.execute("ROLLBACK")


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_notices_that_are_ahead_are_found_among_many_of_the_past(plans, seeded, viewer):
    assert not await plans.of_query(VIEWERS[viewer], NOTICES) & GROWING
    assert await plans.looked_at(VIEWERS[viewer], NOTICES, growing={"maintenance_notices"}) < 500


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_page_of_the_past(plans, seeded, viewer):
    asked = {"statuses": ["COMPLETED", "CANCELLED"]}
    assert "maintenance_notices" not in await plans.of_query(VIEWERS[viewer], NOTICES, filter=asked)
    assert await plans.looked_at(VIEWERS[viewer], NOTICES, growing=GROWING, filter=asked) < 1_000


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_notice_and_what_became_of_its_messages(plans, seeded, viewer):
    assert not await plans.of_query(VIEWERS[viewer], NOTICE, id=f"mnt_{seeded['notice']}") & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_service(plans, seeded, viewer):
    found = await plans.of_query(VIEWERS[viewer], SERVICE, id=f"svc_{seeded['service']}")
    assert not found & (GROWING - {"maintenance_notices"})
    assert not await plans.of_query(VIEWERS[viewer], PERSON, id=f"per_{VIEWERS[viewer].id}") & GROWING


@pytest.mark.parametrize("kind", [HappeningKind.ANNOUNCED, HappeningKind.REMINDED])
async def test_a_batch_of_everybody(plans, large, seeded, kind):
    after = await large.fetchval("SELECT id FROM people ORDER BY id OFFSET 6000 LIMIT 1")
    for place in (FIRST, after):
        batch = broadcasting._people, MaintenanceAudience.EVERYONE, seeded["notice"], kind, place, 500
        assert not await plans.of_statement(*batch) & GROWING


async def test_what_telling_and_following_read_and_write(plans, seeded):
    notice, happening, service = seeded["notice"], seeded["happening"], seeded["service"]
    moment, few = now(), [new_id() for _ in range(20)]
    for build, *arguments in (
        (broadcasting._happening, happening),
        (broadcasting._notice, notice),
        (broadcasting._kept, notice, few),
        (broadcasting.waiting, happening, 500),
        (broadcasting.skipped, few),
        (broadcasting.stand_of, happening),
        (announcing._concerned, notice),
        (clock._due, moment),
        (services._added, service, few),
        (services._taken, service, few),
        (maintenance.one, CUSTOMER, notice),
        (following.recent, CUSTOMER, moment - dt.timedelta(seconds=10)),
        (following.recent, AGENT, moment - dt.timedelta(seconds=10)),
        (saying.of, CUSTOMER, happening),
    ):
        assert not await plans.of_statement(build, *arguments) & GROWING, build
