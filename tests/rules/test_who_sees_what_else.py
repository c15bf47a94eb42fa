"""Who sees settings, people, maintenance, the log and dead letters, by which door: each text has a word of its own."""

import datetime as dt
import json
from types import SimpleNamespace

import pytest

import models
from domain import sessions
from models import AssignmentMethod, Role, TicketPriority

MEMBERS = "members(first: 5) { totalCount nodes { name email locale timeZone active departments { name } } }"
DEPARTMENT = f"name description {MEMBERS}"
CATEGORY = f"name description department {{ {DEPARTMENT} }}"
RULE = """name words emailDomains addTags target: department { name } assignee { name email }
  categories { name } services { name }"""
ENTRY = """action summary ipAddress actor { name } subject { ... on RoutingRule { name } }
  changes { field before after }"""
NOTICE = "title message messageHtml services { name } updates(first: 5) { totalCount nodes { message messageHtml } }"
LETTER = "name error recipient settledBy { name } subject { id }"
DOORS = {
    "departments": f"{{ departments {{ totalCount nodes {{ {DEPARTMENT} }} }} }}",
    "all departments": f"{{ departments(includeArchived: true) {{ totalCount nodes {{ {DEPARTMENT} }} }} }}",
    "categories": f"{{ categories {{ totalCount nodes {{ {CATEGORY} }} }} }}",
    "all categories": f"{{ categories(includeArchived: true) {{ totalCount nodes {{ {CATEGORY} }} }} }}",
    "services": "{ services { totalCount nodes { name description } } }",
    "all services": "{ services(includeArchived: true) { totalCount nodes { name description } } }",
    "maintenance": f"{{ maintenanceNotices {{ totalCount nodes {{ {NOTICE} }} }} }}",
    "serviced maintenance": f"{{ services {{ nodes {{ maintenanceNotices(first: 5) {{ nodes {{ {NOTICE} }} }} }} }} }}",
    "rules": f"{{ routingRules {{ totalCount nodes {{ {RULE} }} }} }}",
    "log": f"""{{ auditEntries(filter: {{actions: ["[entry-action]"]}}) {{ totalCount nodes {{ {ENTRY} }} }} }}""",
    "letters": f"{{ deadLetters(filter: {{statuses: DISCARDED}}) {{ totalCount nodes {{ {LETTER} }} }} }}",
}
BY_ID = f"""query ($id: ID!) {{ node(id: $id) {{ id ... on Department {{ {DEPARTMENT} }}
  ... on Category {{ {CATEGORY} }} ... on Service {{ name description }} ... on RoutingRule {{ {RULE} }}
  ... on Person {{ name email locale timeZone active lastSeenAt departments {{ name }} }}
  ... on MaintenanceNotice {{ {NOTICE} }} ... on MaintenanceUpdate {{ said: message html: messageHtml }}
  ... on AuditEntry {{ {ENTRY} }} ... on DeadLetter {{ {LETTER} }} }} }}"""
BY_IDS = BY_ID.replace("$id: ID!", "$id: [ID!]!").replace("node(id: $id)", "nodes(ids: $id)")

IN_USE, PERSON = frozenset({"department"}), frozenset({"member", "member-email", "member-locale", "member-zone"})
ARCHIVED = {"departments": "old-department", "categories": "old-category", "services": "old-service"}
RULES = frozenset({"rule", "rule-word", "rule-domain", "rule-tag"})
LOG = frozenset({"entry", *(f"entry-{name}" for name in ("action", "address", "field", "before", "after"))})
LETTERS = frozenset({"letter", "letter-error"})
NOTICES = {  # by whom they are for
    audience: frozenset(f"{audience}-{part}" for part in ("notice", "message", "update"))
    for audience in ("everyone", "subscribers", "staff")
}
OF_ADMINS = {
    "rules": {*RULES, "department", "category", "service", "member", "member-email"},
    "log": {*LOG, "member", "rule"},
    "letters": {*LETTERS, "member", "member-email"},
}
EVERYTHING = {*IN_USE, *PERSON, *RULES, *LOG, *LETTERS, *ARCHIVED.values(), "category", "service", "gone", "gone-email"}
EVERYTHING |= frozenset().union(*NOTICES.values())
EVERYTHING |= {f"{name}-text" for name in ("department", "category", "service", *ARCHIVED.values())}


@pytest.fixture
async def scene(desk, house, database, submit, work, mailbox, support, problem, customer, stranger, admin):
    """Settings with a word in each text, and somebody of each role. Nobody but the member works where the words are."""
    ids = SimpleNamespace()
    async with desk.writes.begin() as unit:

        def made(model, prefix, name, **values):
            row = unit.insert(model, name=f"[{name}]", **values)
            setattr(ids, name.replace("-", "_"), f"{prefix}_{row.id}")
            return row

        def person(name, *, active):
            row = made(
                models.Person, "per", name, email=f"[{name}-email]@example.com", role=Role.AGENT, active=active,
                locale=f"[{name}-locale]", time_zone=f"[{name}-zone]", password_hash=None, last_seen_at=None,
                created_at=unit.now,
            )  # fmt: skip
            unit.insert(models.Membership, person_id=row.id, department_id=department.id)
            return row

        department = None
        for name, archived_at in (("old-", unit.now), ("", None)):
            department = made(
                models.Department, "dep", f"{name}department", description=f"[{name}department-text]",
                assignment=AssignmentMethod.MANUAL, agent_capacity=None, archived_at=archived_at,
            )  # fmt: skip
            category = made(
                models.Category, "cat", f"{name}category", description=f"[{name}category-text]",
                department_id=department.id, default_priority=TicketPriority.LOW, is_other=False, position=3,
                archived_at=archived_at,
            )  # fmt: skip
            service = made(
                models.Service, "svc", f"{name}service", description=f"[{name}service-text]", archived_at=archived_at
            )
        member = person("member", active=True)
        person("gone", active=False)
        rule = made(
            models.RoutingRule, "rul", "rule", position=0, active=False, category_ids=[category.id], priorities=[],
            service_ids=[service.id], words=["[rule-word]"], email_domains=["[rule-domain]"],
            department_id=department.id, assignee_id=member.id, priority=None, add_tags=["[rule-tag]"],
        )  # fmt: skip
        for audience in models.MaintenanceAudience:
            announced(unit, ids, audience, service, member)
        change = {part: f"[entry-{part}]" for part in ("field", "before", "after")}
        entry = unit.insert(
            models.AuditEntry, at=unit.now, actor_id=member.id, action="[entry-action]", subject_table="routing_rules",
            subject_id=rule.id, summary="[entry]", changes=[change], ip_address="[entry-address]",
        )  # fmt: skip
        made(
            models.DeadLetter, "ded", "letter", kind=models.DeadLetterKind.EMAIL, source_id=rule.id,
            recipient_id=member.id, ticket_id=None, attempt_count=9, error="[letter-error]", first_tried_at=unit.now,
            failed_at=unit.now, status=models.DeadLetterStatus.DISCARDED, settled_by_id=member.id, settled_at=unit.now,
        )  # fmt: skip
        ids.entry = f"aud_{entry.id}"
    people = {None: None, "session": await session_for(desk, customer, await submit(customer, problem))}
    people |= {Role.CUSTOMER: stranger, Role.ADMIN: admin}
    for role in (Role.AGENT, Role.TEAM_LEAD, Role.MANAGER, Role.DIRECTOR):
        people[role] = await house.person(f"A {role.name}", role, *([] if role is Role.DIRECTOR else [support]))
    return SimpleNamespace(people=people, ids=ids)


def announced(unit, ids, audience, service, author):
    """Maintenance of the service for these people, with an update."""
    name = audience.name.lower()
    notice = unit.insert(
        models.MaintenanceNotice, title=f"[{name}-notice]", message=f"[{name}-message]", audience=audience,
        severity=models.MaintenanceSeverity.MAJOR, status=models.MaintenanceStatus.SCHEDULED, channels=["IN_APP"],
        starts_at=unit.now, ends_at=unit.now + dt.timedelta(hours=1), started_at=None, ended_at=None,
        remind_before_seconds=None, reminder_at=None, automatic=False, timer_at=None,
        version=0, changed_at=unit.now, created_by_id=author.id,
        created_at=unit.now,
    )  # fmt: skip
    unit.insert(models.MaintenanceService, notice_id=notice.id, service_id=service.id)
    update = unit.insert(
        models.MaintenanceHappening, notice_id=notice.id, kind=models.HappeningKind.POSTED, status=notice.status,
        message=f"[{name}-update]", message_html=f"<p>[{name}-update]</p>", author_id=author.id, at=unit.now,
        told_at=unit.now,
    )  # fmt: skip
    setattr(ids, f"{name}_notice", f"mnt_{notice.id}")
    setattr(ids, f"{name}_update", f"mup_{update.id}")


async def session_for(desk, customer, ticket):
    """A session of the customer's that sees this ticket alone."""
    async with desk.writes.begin() as unit:
        session = unit.insert(
            models.Session,
            person_id=customer.id,
            ticket_id=sessions.UUID(ticket["id"].removeprefix("tkt_")),
            refresh_count=0,
            created_at=unit.now,
            expires_at=unit.now + sessions.KEPT,
            ended_at=None,
        )
        opened = sessions._tokens(desk, session, Role.CUSTOMER, unit.now)
    return SimpleNamespace(token=opened.access_token)


def read(answer):
    """The words that stand in an answer."""
    text = json.dumps(answer)
    return {word for word in EVERYTHING if f"[{word}]" in text}


def is_staff(who):
    return isinstance(who, Role) and who is not Role.CUSTOMER


def notices_of(who):
    """What of maintenance is for whom: nobody here has subscribed."""
    if is_staff(who):
        return set().union(*NOTICES.values())
    return set(NOTICES["everyone"]) if who is Role.CUSTOMER else set()


def may_read(who, door):
    """What this door shows to whom."""
    noun, all_of_them = door.rpartition(" ")[2], door.startswith("all ")
    if door == "departments" and who is None:
        return set()
    if (all_of_them or door in OF_ADMINS) and who is not Role.ADMIN:
        return set()
    if noun == "maintenance":
        return notices_of(who) | ({"service"} if notices_of(who) else set())
    if noun in OF_ADMINS:
        return OF_ADMINS[noun]
    people = PERSON if is_staff(who) else set()
    match noun:
        case "departments":
            words = {"department", "department-text", *people}
        case "categories":
            words = {"category", "category-text", "department", "department-text", *people}
        case "services":
            words = {"service", "service-text"}
    if all_of_them:
        words |= {ARCHIVED[noun], f"{ARCHIVED[noun]}-text"}
        words |= {"old-department", "old-department-text"} if noun == "categories" else set()
    return words


@pytest.mark.parametrize("door", DOORS)
async def test_each_word_is_read_by_exactly_those_who_may(api, scene, door):
    for who, viewer in scene.people.items():
        answer = await api.answer(viewer, DOORS[door])
        assert read(answer) == may_read(who, door), who
        assert ("errors" in answer) == (not may_read(who, door) and "maintenance" not in door), who


async def test_only_admins_count_what_is_archived(api, scene):
    for noun, in_use in (("departments", 2), ("categories", 2), ("services", 1)):
        for who, viewer in scene.people.items():
            if who is None and noun == "departments":
                continue
            assert await api(viewer, f"{{ {noun} {{ totalCount }} }}") == {noun: {"totalCount": in_use}}, who
        query = f"{{ {noun}(includeArchived: true) {{ totalCount }} }}"
        assert await api(scene.people[Role.ADMIN], query) == {noun: {"totalCount": in_use + 1}}


@pytest.mark.parametrize("query", [BY_ID, BY_IDS], ids=["node", "nodes"])
async def test_what_is_found_by_its_id_is_what_may_be_known(api, scene, query):
    everyone, admins = set(scene.people) - {None}, {Role.ADMIN}
    staff = {who for who in everyone if is_staff(who)}
    for name, finders in {
        "department": everyone,
        "category": everyone,
        "service": everyone,
        "old_department": admins,
        "old_category": staff,
        "old_service": staff,
        "rule": admins,
        "entry": admins,
        "letter": admins,
        "member": staff,
        "gone": staff,
        **dict.fromkeys(("everyone_notice", "everyone_update"), staff | {Role.CUSTOMER}),
        **dict.fromkeys(("subscribers_notice", "subscribers_update", "staff_notice", "staff_update"), staff),
    }.items():
        gid = getattr(scene.ids, name)
        for who, viewer in scene.people.items():
            answer = await api.answer(viewer, query, id=gid if query is BY_ID else [gid])
            assert (name.replace("_", "-") in read(answer)) == (who in finders), (name, who)
            assert who in finders or not read(answer), (name, who)
            assert is_staff(who) or not read(answer) & {*PERSON, "gone", "gone-email"}, (name, who)


async def test_what_is_hidden_looks_like_what_is_not_there(api, scene):
    hidden = {
        "old_department": lambda who: who is not Role.ADMIN,
        "old_category": lambda who: not is_staff(who),
        "old_service": lambda who: not is_staff(who),
        **dict.fromkeys(("rule", "entry", "letter"), lambda who: who is not Role.ADMIN),
        "member": lambda who: not is_staff(who),
        "everyone_notice": lambda who: not (is_staff(who) or who is Role.CUSTOMER),
        **dict.fromkeys(("subscribers_notice", "staff_notice", "staff_update"), lambda who: not is_staff(who)),
    }
    for name, from_whom in hidden.items():
        gid = getattr(scene.ids, name)
        for who, viewer in scene.people.items():
            if from_whom(who):
                missing = f"{gid[:3]}_00000000-0000-7000-8000-000000000000"
                answers = [await api.post(viewer, BY_ID, id=asked) for asked in (gid, missing)]
                assert answers[0].content == answers[1].content, (name, who)
                assert answers[0].json()["data"] == {"node": None}, (name, who)


async def test_nobody_counts_members_but_staff(api, scene):
    query = "{ categories { nodes { name department { members { totalCount } } } } }"
    for who, viewer in scene.people.items():
        found = (await api(viewer, query))["categories"]["nodes"]
        counts = {node["name"]: node["department"]["members"]["totalCount"] for node in found}
        assert counts["[category]"] == (1 if is_staff(who) else 0), who


SAVES = {
    "saveDepartment": '{departmentId: "%s", name: "x", archived: true}',
    "saveCategory": '{categoryId: "%s", name: "x", departmentId: "%s"}',
    "saveRoutingRule": '{routingRuleId: "%s", name: "x"}',
}


@pytest.mark.parametrize("mutation", SAVES)
async def test_a_refusal_tells_nothing_of_what_is_there(api, database, scene, mutation):
    ids = {
        "saveDepartment": (scene.ids.department,),
        "saveCategory": (scene.ids.category, scene.ids.department),
        "saveRoutingRule": (scene.ids.rule,),
    }[mutation]
    query = f"""mutation {{ {mutation}(input: {SAVES[mutation] % ids}) {{ __typename
      ... on Conflict {{ reason current {{ ... on Department {{ {DEPARTMENT} }} }} }}
      ... on Refusal {{ message }} }} }}"""
    before = await database.counts()
    for who, viewer in scene.people.items():
        if who is Role.ADMIN:
            continue
        answer = await api.answer(viewer, query)
        one = "A link in an email is for its ticket alone. Sign in for this."
        why = one if who == "session" else "Only admins may do this."
        refused = {mutation: {"__typename": "NotAllowed", "message": why}}
        assert answer["data"] == ({mutation: None} if who is None else refused), who
        assert not read(answer), who
    assert await database.counts() == before


async def test_a_conflict_shows_the_thing_as_it_is_to_who_may_see_it(api, database, scene):
    query = f"""mutation ($id: ID!) {{ saveDepartment(input: {{departmentId: $id, name: "x", archived: true}}) {{
      ... on Conflict {{ reason current {{ ... on Department {{ {DEPARTMENT} }} }} missedEvents {{ id }} }} }} }}"""
    before = await database.counts()

    answer = (await api(scene.people[Role.ADMIN], query, id=scene.ids.department))["saveDepartment"]

    assert (answer["reason"], answer["missedEvents"]) == ("IN_USE", [])
    assert read(answer["current"]) == {"department", "department-text", *PERSON}
    assert await database.counts() == before
