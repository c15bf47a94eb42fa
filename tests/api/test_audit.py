"""The audit log: who changed what, who was let in and who not; that it tells no secrets and only grows."""

import json
import re
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from domain import sessions
from infra.auditing import acting
from models import Base, Person, Role
from models.audit import AUDITED
from resolvers.root import schema

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = schema._schema.mutation_type.fields

LOG = """query ($filter: AuditFilter, $first: Int, $after: String) {
  auditEntries(filter: $filter, first: $first, after: $after) { totalCount pageInfo { endCursor hasNextPage } nodes {
    id action summary ipAddress actor { name } subject { __typename id } changes { field before after } } } }"""
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }"
SIGN_OUT = "mutation { signOut(input: {}) { __typename } }"
SAVE_CALENDAR = """mutation ($input: SaveBusinessCalendarInput!) { saveBusinessCalendar(input: $input) {
  ... on SaveBusinessCalendarSuccess { businessCalendar { id } } } }"""
SAVE_RULE = """mutation ($input: SaveRoutingRuleInput!) { saveRoutingRule(input: $input) {
  ... on SaveRoutingRuleSuccess { routingRule { id } } } }"""
DELETE_RULE = "mutation ($id: ID!) { deleteRoutingRule(input: {routingRuleId: $id}) { __typename } }"
CREATE = """mutation ($input: CreatePersonInput!) { createPerson(input: $input) { __typename
  ... on CreatePersonSuccess { person { id } } } }"""
SAVE_TOKEN = """mutation { createApiToken(input: {name: "Nightly", scope: READ}) {
  ... on CreateApiTokenSuccess { token apiToken { id } } } }"""
CALENDAR = {"name": "Office", "timeZone": "UTC", "hours": []}
# Mutations that change no settings or people: what they do is in the history of a ticket, or is somebody's own reading.
NOT_AUDITED = {
    *("createUpload", "submitTicket", "updateTicket", "updateTickets", "triageTicket", "assignTicket"),
    *("takeNextTicket", "changeTicketStatus", "addComment", "addInternalComment", "editComment", "deleteComment"),
    *("watchTicket", "unwatchTicket", "linkTickets", "unlinkTickets", "mergeTickets", "setTicketPresence"),
    *("resolveTicket", "confirmResolution", "reopenTicket", "closeTicket", "escalateTicket"),
    *("acknowledgeEscalation", "endEscalation", "markNotificationsRead", "setNotificationPreferences"),
    *("saveTicketView", "deleteTicketView", "createArticle", "saveArticleDraft", "publishArticle", "archiveArticle"),
    *("restoreArticleVersion", "subscribeToService", "unsubscribeFromService", "scheduleMaintenance"),
    *("recordArticleView", "giveArticleFeedback", "requestArticleReview", "closeArticleReview"),
    *("updateMaintenance", "postMaintenanceUpdate"),  # these stand in the versions of the article or the notice
}
# Those that let somebody in or out are told of below; a session that goes on is no news.
DOORS = {"signUp", "requestSignInLink", "signIn", "signInWithLink", "refreshSession", "signOut"}
SECRET = "nothing to do with anybody"
TEMPLATE = {"name": "Hello", "use": "REPLY", "locale": "en", "body": "Hello"}
RULE = {"name": "Late", "trigger": "UNASSIGNED", "afterSeconds": 60, "level": "MANAGER"}
SAVED = {  # an input for each of the others, and what makes the thing before it
    "saveDepartment": {"name": "Sales", "assignment": "MANUAL"},
    "saveCategory": {"name": "Orders", "departmentId": "$department", "defaultPriority": "LOW"},
    "saveRoutingRule": {"name": "Away", "addTags": ["x"]},
    "saveSlaPolicy": {"name": "Fast", "targets": [{"priority": "LOW", "resolutionSeconds": 600}]},
    "saveBusinessCalendar": CALENDAR,
    "saveEscalationRule": RULE,
    "saveArticleCategory": {"name": "Guides"},
    "saveService": {"name": "Exports"},
    "saveMessageTemplate": TEMPLATE,
    "createPerson": {"name": "Neo", "email": "neo@example.com", "role": "CUSTOMER"},
    "updatePerson": {"personId": "$people", "role": "TEAM_LEAD"},
    "updateProfile": {"locale": "de"},
    "setPassword": {"newPassword": SECRET},
    "createApiToken": {"name": "Nightly", "scope": "READ"},
    "revokeApiToken": {"apiTokenId": "$api_tokens"},
    "setAvailability": {"status": "AWAY"},
    "deleteRoutingRule": {"routingRuleId": "$routing_rules"},
    "deleteEscalationRule": {"escalationRuleId": "$escalation_rules"},
    "deleteMessageTemplate": {"messageTemplateId": "$message_templates"},
    "retryDeadLetters": {"deadLetterIds": ["$dead_letters"]},
    "discardDeadLetters": {"deadLetterIds": ["$dead_letters"]},
}
KEY = {  # of what is saved again under another name: the field of the input that names it
    name: next(iter(keys))
    for name in SAVED
    if (keys := {f"{name[4].lower()}{name[5:]}Id"} & MUTATIONS[name].args["input"].type.of_type.fields.keys())
}
BEFORE = {
    "revokeApiToken": "createApiToken",
    "deleteRoutingRule": "saveRoutingRule",
    "deleteEscalationRule": "saveEscalationRule",
    "deleteMessageTemplate": "saveMessageTemplate",
    "retryDeadLetters": None,
    "discardDeadLetters": None,
}
PREFIXES = {
    "routing_rules": "rul",
    "escalation_rules": "esr",
    "message_templates": "tpl",
    "dead_letters": "ded",
    "api_tokens": "tok",
    "people": "per",
}
WHICH = {"people": "WHERE role = 'AGENT'"}
GIVEN_UP = """
  INSERT INTO dead_letters (id, kind, source_id, name, attempt_count, error, first_tried_at, failed_at, status)
  VALUES (gen_random_uuid(), 'JOB', gen_random_uuid(), 'Announce', 9, 'ValueError', now(), now(), 'WAITING')"""


# Tables that hold no settings and no people, and where else their changes stand. A new one is named here, or audited.
UNAUDITED = {
    "the ticket's own history tells": {
        *("tickets", "ticket_links", "ticket_words", "comments", "attachments", "uploads", "events", "event_texts"),
        *("resolutions", "escalations", "sla_clocks", "watchers", "presences"),
    },
    "the article's and the notice's own versions tell": {
        *("articles", "article_versions", "article_slugs", "article_languages", "article_terms", "article_words"),
        *("article_reviews", "maintenance_notices", "maintenance_services", "maintenance_happenings"),
    },
    "what somebody reads, likes and wants to hear": {
        *("article_feedback", "article_readings", "inboxes", "notifications", "notification_preferences"),
        *("service_subscriptions", "ticket_views"),
    },
    "what the desk counts, sends and has to do": {
        *("article_standings", "article_views", "metric_facts", "metric_sums", "measured_tickets", "messages", "jobs"),
        *("maintenance_recipients", "inbound_mails", "idempotency_keys", "attempts", "audit_entries"),
    },
}


@pytest.fixture
def log(api, admin):
    """The entries for which the conditions hold, newest first."""

    async def found(**filter):
        return (await api(admin, LOG, filter=filter))["auditEntries"]["nodes"]

    return found


@pytest.mark.parametrize("name", sorted(MUTATIONS.keys() - NOT_AUDITED - DOORS))
@pytest.mark.usefixtures("problem")
async def test_every_change_of_settings_and_people_is_told(api, admin, agent, support, database, log, name):
    """Who adds a mutation says above how it is called, or why it's not for the log."""

    async def do(mutation, **other):
        given = SAVED[mutation] | other
        for field, value in given.items():
            if value == "$department":
                given[field] = support.gid
            elif str(value).strip("[']").startswith("$"):
                table = str(value).strip("[']$")
                (row,) = await database.rows(f"SELECT id FROM {table} {WHICH.get(table, '')}")
                found = f"{PREFIXES[table]}_{row['id']}"
                given[field] = [found] if isinstance(value, list) else found
        text = f"""mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) {{
          {mutation}(input: $input) {{ __typename ... on Refusal {{ message }} }} }}"""
        answer = (await api(admin, text, input=given))[mutation]
        assert answer["__typename"].endswith("Success"), answer

    if before := BEFORE.get(name):
        await do(before)
    elif name in BEFORE:
        await database.rows(GIVEN_UP)
    await do(name)

    (entry,) = await log(actions=[name])
    assert entry["actor"] == {"name": admin.name}
    assert entry["changes"]
    assert (entry["subject"] is None) == name.startswith(("delete", "revoke"))  # which is gone
    assert SECRET not in str(entry)
    if saved := KEY.get(name):
        await do(name, **{saved: entry["subject"]["id"], "name": "Another"})

        again, _ = await log(actions=[name])
        assert (again["subject"], again["actor"]) == (entry["subject"], entry["actor"])
        assert {"field": "name", "before": SAVED[name]["name"], "after": "Another"} in again["changes"]


def test_each_table_is_audited_or_told_of_elsewhere():
    named = [*(model.__tablename__ for model in AUDITED), *(table for those in UNAUDITED.values() for table in those)]

    assert sorted(named) == sorted(table.name for table in Base.metadata.sorted_tables)


def test_rows_that_the_log_tells_of_are_written_through_the_unit():
    """What a statement of its own writes, the unit doesn't see: that is for what is swept, and for whose turn it is."""
    written = re.compile(r"(?:sa\.(?:update|delete|insert)|insert|update|delete)\((\w+)\)")
    models = {model.__name__ for model in AUDITED}
    found = {
        (path.relative_to(ROOT).as_posix(), model)
        for room in ("domain", "resolvers", "workers", "infra", "web")
        for path in (ROOT / room).rglob("*.py")
        if "demo" not in path.name
        for model in written.findall(path.read_text())
        if model in models
    }
    assert found == {
        ("domain/sessions.py", "Session"),
        ("domain/sessions.py", "SignInLink"),  # swept, long after they ended
        ("domain/external.py", "Session"),  # told of in so many words
        ("domain/links.py", "SignInLink"),  # none of before works any more: told as the address that changed
        ("domain/api_tokens.py", "ApiToken"),
        ("domain/tickets/assigning.py", "Availability"),
        ("domain/erasing/__init__.py", "Person"),  # told as what it is, without what was there before
    }


async def test_what_is_made_and_changed_is_told_with_old_and_new(api, admin, log):
    made = (await api(admin, SAVE_CALENDAR, input=CALENDAR))["saveBusinessCalendar"]["businessCalendar"]["id"]
    await api(admin, SAVE_CALENDAR, input=CALENDAR | {"businessCalendarId": made, "timeZone": "Asia/Tokyo"})

    changed, created = await log(subjectId=made)

    assert changed.pop("id").startswith("aud_")
    assert changed == {
        "action": "saveBusinessCalendar",
        "summary": "Changed the calendar “Office”: timeZone.",
        "ipAddress": "127.0.0.1",
        "actor": {"name": admin.name},
        "subject": {"__typename": "BusinessCalendar", "id": made},
        "changes": [{"field": "timeZone", "before": "UTC", "after": "Asia/Tokyo"}],
    }
    assert created["summary"] == "Created the calendar “Office”."
    assert {"field": "hours", "before": None, "after": "[]"} in created["changes"]


async def test_saving_what_is_there_already_is_no_change(api, admin, log):
    made = (await api(admin, SAVE_CALENDAR, input=CALENDAR))["saveBusinessCalendar"]["businessCalendar"]["id"]
    await api(admin, SAVE_CALENDAR, input=CALENDAR | {"businessCalendarId": made})
    assert len(await log(subjectId=made)) == 1


async def test_what_is_gone_is_told_without_a_subject(api, admin, log):
    saved = await api(admin, SAVE_RULE, input={"name": "Away", "addTags": ["x"]})
    rule = saved["saveRoutingRule"]["routingRule"]["id"]
    await api(admin, DELETE_RULE, id=rule)

    deleted, created = await log(subjectId=rule)

    assert (deleted["action"], deleted["summary"]) == ("deleteRoutingRule", "Deleted the routing rule “Away”.")
    assert {"field": "addTags", "before": '["x"]', "after": None} in deleted["changes"]
    assert deleted["subject"] is created["subject"] is None


async def test_a_refused_change_leaves_no_entry(api, admin, log):
    await api(admin, SAVE_CALENDAR, input=CALENDAR | {"timeZone": "Mars/Base"})
    assert not await log(actions=["saveBusinessCalendar"])


async def test_a_person_is_one_entry_with_their_departments(api, admin, log, support):
    given = {"name": "Neo", "email": "neo@example.com", "role": "AGENT", "departmentIds": [support.gid]}
    person = (await api(admin, CREATE, input=given))["createPerson"]["person"]["id"]

    (entry,) = await log(subjectId=person)

    assert (entry["action"], entry["summary"]) == ("createPerson", "Created a person.")
    told = {change["field"]: change["after"] for change in entry["changes"]}
    assert (told["email"], told["role"], told["departmentId"]) == ("neo@example.com", "AGENT", str(support.id))


async def test_who_is_let_in_and_out_and_who_is_not(api, house, log):
    someone = await house.person("Ann", password="right horse battery staple")
    for password in ("wrong", "right horse battery staple"):
        await api(None, SIGN_IN, input={"email": someone.email, "password": password})
    await api(None, SIGN_IN, input={"email": "nobody@example.com", "password": "wrong"})
    await api(someone, SIGN_OUT)

    out, unknown, let_in, refused = await log(actions=["signIn", "signInRefused", "signOut"])

    person = {"__typename": "Person", "id": someone.gid}
    assert (out["action"], out["actor"], out["subject"]) == ("signOut", {"name": "Ann"}, person)
    assert (let_in["action"], let_in["actor"], let_in["subject"]) == ("signIn", {"name": "Ann"}, person)
    assert (refused["action"], refused["actor"], refused["subject"]) == ("signInRefused", None, person)
    assert (unknown["action"], unknown["actor"], unknown["subject"]) == ("signInRefused", None, None)
    assert {entry["ipAddress"] for entry in (out, unknown, let_in, refused)} == {"127.0.0.1"}
    assert "nobody@example.com" not in json.dumps(unknown)


async def test_a_password_that_was_not_changed(api, house, log):
    someone = await house.person("Ann", password="right horse battery staple")
    text = """mutation ($new: String!, $current: String) {
      setPassword(input: {newPassword: $new, currentPassword: $current}) { __typename } }"""
    for current in ("wrong", "right horse battery staple"):
        await api(someone, text, new="a canary that nobody reads", current=current)

    changed, refused = await log(actions=["setPassword", "setPasswordRefused", "signInRefused"])

    person = {"__typename": "Person", "id": someone.gid}
    assert (refused["action"], refused["actor"], refused["subject"]) == ("setPasswordRefused", {"name": "Ann"}, person)
    assert (changed["action"], changed["actor"], changed["subject"]) == ("setPassword", {"name": "Ann"}, person)
    assert "canary" not in json.dumps(changed)


async def test_a_token_for_a_program_from_its_making_to_its_end(api, admin, agent, log, database):
    made = (await api(agent, SAVE_TOKEN))["createApiToken"]
    token = made["apiToken"]["id"]
    revoke = "mutation ($id: ID!) { revokeApiToken(input: {apiTokenId: $id}) { __typename } }"
    (created,) = await log(subjectId=token)
    await api(admin, revoke, id=token)

    revoked, _ = await log(subjectId=token)

    assert (created["action"], created["actor"]) == ("createApiToken", {"name": agent.name})
    assert created["subject"] == {"__typename": "ApiToken", "id": token}
    assert {"field": "scope", "before": None, "after": "READ"} in created["changes"]
    assert (revoked["action"], revoked["actor"], revoked["subject"]) == ("revokeApiToken", {"name": admin.name}, None)
    entries = str(await database.rows("SELECT to_jsonb(a) AS a FROM audit_entries a"))
    (row,) = await database.rows("SELECT digest, hint FROM api_tokens")
    assert not [secret for secret in (made["token"], row["digest"], row["hint"]) if secret in entries]


async def test_a_token_that_comes_back(desk, house, api, log):
    someone = await house.person("Ann")
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, someone.id)
    refresh = """mutation ($token: String!) { refreshSession(input: {refreshToken: $token}) { __typename } }"""
    for _ in range(2):
        await api(None, refresh, token=opened.refresh_token)

    (entry,) = await log(actions=["tokenReused", "signInRefused", "refreshSession"])

    assert entry["action"] == "tokenReused"
    assert entry["subject"]["id"] == someone.gid


async def test_links(api, customer, work, mailbox, log):
    ask = "mutation ($email: String!) { requestSignInLink(input: {email: $email}) { __typename } }"
    await api(None, ask, email=customer.email)
    await work.run()

    sent, asked = await log(actions=["requestSignInLink", "sendSignInLink"])

    assert (asked["subject"], asked["ipAddress"], asked["changes"]) == (None, "127.0.0.1", [])
    assert (sent["subject"]["id"], sent["ipAddress"], sent["actor"]) == (customer.gid, None, None)


async def test_somebody_signs_up(api, work, log):
    ask = """mutation { signUp(input: {name: "Nora", email: "nora@example.com"}) { __typename } }"""
    await api(None, ask)
    await work.run()

    entries = await log(actions=["signUp"])

    assert [(entry["summary"], entry["actor"], entry["ipAddress"]) for entry in entries] == [
        ("Created a person.", None, None),
        ("Asked to sign up.", None, "127.0.0.1"),
    ]


async def test_secrets_are_left_out(desk, database, customer, log):
    async with desk.writes.begin() as unit:
        person = await unit.lock(sessions._active, customer.id)
        with acting("setPassword"):
            unit.change(person, password_hash="a canary")
    changes = (await log(subjectId=customer.gid))[0]["changes"]
    assert changes == [{"field": "passwordHash", "before": None, "after": None}]
    assert "canary" not in str(await database.rows("SELECT to_jsonb(a) AS a FROM audit_entries a"))


def test_columns_that_sound_secret_are_declared():
    for model, audited in AUDITED.items():
        for column in model.__table__.c:
            if any(word in column.name for word in ("hash", "secret", "password", "token")):
                assert column.name in audited.secret | audited.silent, column


@pytest.mark.parametrize("role", [None, *(role for role in Role if role is not Role.ADMIN)])
async def test_only_admins_read_it(api, http, house, log, admin, role):
    someone = None if role is None else await house.person("Someone", role)
    entry = (await log())[0]["id"]
    await api.refused(someone, LOG)
    if someone is not None:
        assert (await api(someone, "query ($id: ID!) { node(id: $id) { id } }", id=entry))["node"] is None
    assert (await api(admin, "query ($id: ID!) { node(id: $id) { id } }", id=entry))["node"] == {"id": entry}


async def test_conditions_and_pages(api, admin, house, log, database):
    for name in "ABCDE":
        await api(admin, SAVE_CALENDAR, input=CALENDAR | {"name": name})
    asked = {"actorId": admin.gid, "actions": ["saveBusinessCalendar"]}
    first = (await api(admin, LOG, filter=asked, first=2))["auditEntries"]
    rest = (await api(admin, LOG, filter=asked, first=3, after=first["pageInfo"]["endCursor"]))["auditEntries"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (5, True)
    assert [entry["summary"][22:23] for entry in first["nodes"] + rest["nodes"]] == list("EDCBA")
    assert not await log(within={"to": "2020-01-01T00:00:00Z"})
    assert len(await log(within={"from": "2020-01-01T00:00:00Z"}, **asked)) == 5


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "UPDATE audit_entries SET action = 'x'",
        "UPDATE audit_entries SET ip_address = NULL",
        "UPDATE audit_entries SET changes = '[]'",
    ],
)
async def test_it_only_grows(database, customer, sql):
    with pytest.raises(DBAPIError, match="only grows"):
        await database.rows(sql)


async def test_erasure_blanks_values_and_nothing_else(database, engine, customer):
    blank = """UPDATE audit_entries SET ip_address = NULL, changes = (SELECT coalesce(jsonb_agg(
      change || '{"before": null, "after": null}' ORDER BY place), '[]')
      FROM jsonb_array_elements(changes) WITH ORDINALITY AS of_entry (change, place))"""
    erasing = "SET deskwire.erasing = 'on'"
    driver = await asyncpg.connect(engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        await driver.execute(erasing)
        await driver.execute(blank)
        for other in ("action = 'x'", "summary = 'x'", "actor_id = NULL, at = now()", "ip_address = '1.2.3.4'"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await driver.execute(f"UPDATE audit_entries SET {other}")
        with pytest.raises(asyncpg.RestrictViolationError):
            await driver.execute("""UPDATE audit_entries SET changes = '[{"field": "role", "after": "ADMIN"}]'""")
    finally:
        await driver.close()
    assert customer.email not in str(await database.rows("SELECT to_jsonb(a) AS a FROM audit_entries a"))
    assert Person in AUDITED
