"""Erasing somebody leaves none of their words anywhere, and every history and figure as it was."""

import asyncio
import dataclasses
import json
import typing
import zipfile
from types import SimpleNamespace
from uuid import UUID

import pytest
import sqlalchemy as sa
from replay import replayed
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from test_history_replays import EVENTS

import models
from domain import erasing, exporting, happenings
from domain.erasing.rules import KEPT, NAME, PERSON, RULES
from domain.exporting.parts import PARTS
from domain.refusals import Conflict, InvalidInput, NotFound
from infra.ids import new_id
from infra.postgres import Unavailable
from infra.unit import Job
from models.full_text import Words

CANARY = "canary"
WORDY = (sa.Text, sa.String, sa.LargeBinary, JSONB, TSVECTOR, Words)


def wordy(column):
    """Whether a column can hold somebody's words."""
    kind = column.type.item_type if isinstance(column.type, ARRAY) else column.type
    return isinstance(kind, WORDY) and not isinstance(kind, sa.Enum)


COLUMNS = {
    (mapper.class_, column.key)
    for mapper in models.Base.registry.mappers
    for column in mapper.local_table.columns
    if wordy(column)
}
GOING = {(rule.model, name) for rule in RULES for name in rule.columns()} | {(models.Person, name) for name in PERSON}
STAYING = {(model, name) for model, names in KEPT.items() for name in names}


def test_each_column_that_can_hold_words_has_a_rule():
    named = lambda columns: sorted(f"{model.__name__}.{name}" for model, name in columns)  # noqa: E731

    assert named(COLUMNS - GOING - STAYING) == []
    assert named(STAYING - COLUMNS) == []
    assert named(GOING & STAYING) == []


class Canary:
    """Somebody whose every word has the canary in it, among others whose words have none."""

    def __init__(self, api, desk, database, person):
        self.api, self.desk, self.database, self.person = api, desk, database, person
        self.number = 0

    def word(self, before=""):
        self.number += 1
        return f"{before}{CANARY}{self.number}"

    async def do(self, who, mutation, **given):
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        result = "__typename ... on Refusal { message }"
        text = f"mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{ {result} }} }}"
        answer = (await self.api(who, text, input=given))[mutation]
        assert answer["__typename"].endswith("Success"), answer

    async def upload(self, person_id):
        """A file that has arrived; gives its id in the API."""
        key = f"up/{new_id()}"
        await self.desk.files.keep(key, self.word().encode())
        async with self.desk.writes.begin() as unit:
            row = unit.insert(
                models.Upload, person_id=person_id, filename=self.word(), claimed_type=f"text/{self.word()}",
                size_bytes=8, key=key, created_at=unit.now, expires_at=unit.now.replace(year=2100),
                content_type=f"text/{self.word()}", sha256=self.word(), stored_at=unit.now,
            )  # fmt: skip
        return f"upl_{row.id}"

    async def one(self, sql, **given):
        (row,) = await self.database.rows(sql, **given)
        return next(iter(row.values()))


@pytest.fixture
async def scene(api, desk, database, house, submit, work, support, problem, other, agent, director, stranger):
    """A full life, with a canary in each column that a rule is about."""
    person = await house.person("Canary1 Person", email=f"{CANARY}@example.com", password="long enough a word")
    c = Canary(api, desk, database, person)
    text = c.word
    await c.do(person, "updateProfile", name=text("Name "), locale="de", timeZone="Europe/Lisbon")
    own = await submit(
        person, other, subject=text(), body=text(), otherTopic=text(), uploadIds=[await c.upload(person.id)]
    )
    ticket = {"ticketId": own["id"]}
    await c.do(agent, "updateTicket", **ticket, subject=text(), addTags=["a tag"])
    await c.do(agent, "addComment", **ticket, body=text("You wrote: "))
    await c.do(agent, "addInternalComment", **ticket, body=text("Carla "))
    await c.do(person, "addComment", **ticket, body=text())
    await c.do(agent, "changeTicketStatus", **ticket, status="ON_HOLD", reason=text())
    await c.do(director, "escalateTicket", **ticket, reason=text())
    escalation = f"esc_{await c.one('SELECT id FROM escalations WHERE ended_at IS NULL')}"
    await c.do(director, "endEscalation", escalationId=escalation, reason=text())
    await c.do(agent, "resolveTicket", **ticket, summary=text())
    await c.do(person, "reopenTicket", **ticket, reason=text())
    await c.do(agent, "resolveTicket", **ticket, summary=text())
    await c.do(person, "confirmResolution", **ticket, rating=4, feedback=text())

    theirs = await submit(stranger, problem, subject="Another's subject", body="Another's body")
    await c.do(agent, "watchTicket", ticketId=theirs["id"], personId=person.gid)
    await c.do(agent, "addComment", ticketId=theirs["id"], body="An agent's words")
    await c.do(person, "addComment", ticketId=theirs["id"], body=text(), uploadIds=[await c.upload(person.id)])
    await c.upload(person.id)
    avatar = f"av/{new_id()}"
    await desk.files.keep(avatar, text().encode())
    await api(None, 'mutation { requestSignInLink(input: {email: "canary@example.com"}) { __typename } }')
    await work.run()
    await _by_hand(c, own["id"], avatar)
    return SimpleNamespace(c=c, own=own["id"][4:], theirs=theirs["id"][4:], person=person)


async def _by_hand(c, own, avatar):
    """What takes mail, other issuers or faults to come about."""
    text, person_id = c.word, c.person.id
    mail = f"mails/{new_id()}"
    await c.desk.files.keep(mail, text().encode())
    async with c.desk.writes.begin() as unit:
        moment = unit.now
        unit.insert(
            models.InboundMail, digest=str(new_id()), sender=c.person.email, received_at=moment,
            outcome=models.InboundOutcome.WAITING, reason=text(), person_id=None, ticket_id=None, comment_id=None,
            file_key=mail, recipient=text(),
        )  # fmt: skip
        unit.insert(
            models.TicketView, owner_id=person_id, department_id=None, name=text(), filter={"text": text()},
            order_field=None, order_direction=None, position=0,
        )  # fmt: skip
        unit.insert(
            models.ApiToken, owner_id=person_id, name=text(), hint=text(), digest="d" * 64, created_at=moment,
            scope=models.ApiTokenScope.READ, last_used_at=None, expires_at=moment, revoked_at=None,
        )  # fmt: skip
        unit.insert(
            models.ExternalIdentity, person_id=person_id, issuer=text("https://"), subject=text(), created_at=moment
        )
        unit.insert(
            models.IdempotencyKey, person_id=person_id, mutation="submitTicket", key=text(),
            input_hash=text().encode(), answer={"said": text()}, created_at=moment,
        )  # fmt: skip
        for state in (models.JobState.DONE, models.JobState.DEAD):
            unit.insert(
                models.JobRow, kind="SignUp", payload={"name": text(), "email": c.person.email, "locale": None},
                state=state, attempts=1, due_at=moment, last_error=None, created_at=moment, settled_at=moment,
            )  # fmt: skip
        section = unit.insert(
            models.ArticleCategory, slug="s", name="s", description=None, parent_id=None, ticket_category_ids=[],
            position=0, path="0", archived_at=None,
        )  # fmt: skip
        article = unit.insert(
            models.Article, slug="a", title="The house's", summary="", body="", body_html="", category_id=section.id,
            position=0, tags=[], status=models.ArticleStatus.DRAFT, audience=models.ArticleAudience.PUBLIC,
            locale="en", language="english", author_id=person_id, from_ticket_id=None, number=0, published_at=None,
            updated_at=moment, publishes_at=moment.replace(year=2100), publishes_by_id=person_id,
            publishes_note=text(),
        )  # fmt: skip
        unit.insert(
            models.ArticleVersion, article_id=article.id, number=1, title="t", summary="", body="", body_html="",
            edited_by_id=person_id, edited_at=moment, published_by_id=person_id, published_at=moment, note=text(),
        )  # fmt: skip
    await _of_articles(c, own)
    await c.database.rows(
        "UPDATE messages SET last_error = :said, address = :said WHERE recipient_id = :id", said=text(), id=person_id
    )
    await c.database.rows(
        """UPDATE people SET locale = 'canary', time_zone = 'canary', password_hash = 'canary', avatar_type = 'canary',
            avatar_key = :key WHERE id = :id""",
        id=person_id,
        key=avatar,
    )
    entry = (
        "INSERT INTO audit_entries (id, at, actor_id, action, subject_table, subject_id, summary, changes, ip_address)"
    )
    entry += (
        " VALUES (:id, now(), :actor, 'anAction', :table, :subject, 'Said.', CAST(:changes AS jsonb), 'canary-network')"
    )
    token = json.dumps([{"field": "name", "before": None, "after": text()}])  # of one that is gone
    for actor, table, subject, changes in (
        (None, "people", person_id, "[]"),
        (person_id, "departments", new_id(), "[]"),
        (person_id, "api_tokens", new_id(), token),
    ):
        await c.database.rows(entry, id=new_id(), actor=actor, table=table, subject=subject, changes=changes)


async def _of_articles(c, own):
    """What they think of an article, also by a link about their ticket, and a review of it."""
    person_id = c.person.id
    (row,) = await c.database.rows("SELECT id FROM articles")
    async with c.desk.writes.begin() as unit:
        for reader_id, by_id in ((person_id, person_id), (UUID(own[4:]), None)):
            unit.insert(
                models.ArticleFeedback, article_id=row["id"], version_number=1, reader_id=reader_id, person_id=by_id,
                helpful=None, rating=None, comment=c.word(), badness=0, source=models.ArticleFeedbackSource.ARTICLE,
                at=unit.now, saved_at=None, saved_category_id=None, saved_department_id=None,
            )  # fmt: skip
        unit.insert(
            models.ArticleReview, article_id=row["id"], reason=models.ArticleReviewReason.REQUESTED, note=c.word(),
            status=models.ArticleReviewStatus.DISMISSED, since=unit.now, requested_at=unit.now,
            requested_by_id=person_id, assignee_id=None, closed_at=unit.now, closed_by_id=person_id, outcome=c.word(),
        )  # fmt: skip


async def holding(database, model, name):
    """In how many rows of a column a canary stands."""
    column = model.__table__.c[name]
    said = f"encode({name}, 'escape')" if isinstance(column.type, sa.LargeBinary) else f"{name}::text"
    (row,) = await database.rows(f"SELECT count(*) AS n FROM {model.__tablename__} WHERE {said} ILIKE '%{CANARY}%'")
    return row["n"]


def files_holding(desk):
    folder = desk.settings.data_dir / "files"
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


MEASURED = "SELECT * FROM metric_sums ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"
HISTORY = "SELECT id, ticket_id, seq, public_seq, kind, actor_id, at, data FROM events ORDER BY id"
TEXTS = "SELECT text FROM event_texts JOIN events ON events.id = event_id WHERE actor_id = :id"
COUNTED = ("events", "event_texts", "tickets", "comments", "attachments", "resolutions", "messages", "notifications")


async def test_no_word_of_theirs_is_left_and_all_that_is_counted_stays(scene, desk, database, work):
    for model, name in sorted(GOING & COLUMNS, key=str):
        assert name == "avatar_key" or await holding(database, model, name), f"the scene has no {model.__name__}.{name}"
    assert len(files_holding(desk)) == 5
    before = [await database.rows(sql) for sql in (HISTORY, MEASURED)]
    counts = await database.counts()

    await erasing.erase_person(desk, scene.person.id, lambda _: None)
    await work.run()

    left = {f"{model.__name__}.{name}": await holding(database, model, name) for model, name in COLUMNS}
    assert {name: count for name, count in left.items() if count} == {}
    assert files_holding(desk) == []
    assert await database.rows("SELECT id FROM inbound_mails WHERE outcome = 'WAITING'") == []
    assert [await database.rows(sql) for sql in (HISTORY, MEASURED)] == before
    assert {name: (await database.counts())[name] for name in COUNTED} == {name: counts[name] for name in COUNTED}
    for ticket in (scene.own, scene.theirs):
        (row,) = await database.rows("SELECT subject, status, rating FROM tickets WHERE id = :id", id=ticket)
        state = replayed(ticket, {ticket: await database.rows(EVENTS, id=ticket)})
        assert {name: state[name] for name in row} == row


@pytest.mark.parametrize("by_staff", [False, True])
async def test_nothing_is_left_of_what_was_just_being_written(
    scene, halted, desk, database, api, agent, monkeypatch, by_staff
):
    """By them, or in answer to them."""
    monkeypatch.setattr(erasing, "UNDER_WAY_SECONDS", 0.5)
    await database.rows("UPDATE tickets SET status = 'OPEN', closed_at = NULL WHERE id = :id", id=scene.own)
    comment = "mutation($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    given = {"ticketId": f"tkt_{scene.own}", "body": CANARY}
    said = await halted(api(agent if by_staff else scene.person, comment, input=given), "FROM tickets")
    erased = asyncio.create_task(erasing.erase_person(desk, scene.person.id, lambda _: None))
    await asyncio.sleep(0.2)
    assert await said() == {"addComment": {"__typename": "AddCommentSuccess"}}

    await erased

    assert not await holding(database, models.Comment, "body")
    assert not await holding(database, models.TicketWords, "words")


async def test_what_others_wrote_for_others_stays(scene, desk, database, api, agent, work):
    await erasing.erase_person(desk, scene.person.id, lambda _: None)
    await work.run()

    answer = await api(
        agent,
        "query ($id: ID!) { ticket(id: $id) { subject body comments { nodes { body author { name } } } } }",
        id=f"tkt_{scene.theirs}",
    )
    assert answer["ticket"] == {
        "subject": "Another's subject",
        "body": "Another's body",
        "comments": {
            "nodes": [
                {"body": "An agent's words", "author": {"name": agent.name}},
                {"body": "", "author": {"name": NAME}},
            ]
        },
    }
    (person,) = await database.rows("SELECT name, email, active FROM people WHERE id = :id", id=scene.person.id)
    assert person == {"name": NAME, "email": f"erased-{scene.person.id}@erased.invalid", "active": False}
    answer = await api.post(scene.person, "{ viewer { person { name } } }")
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_who_is_erased_takes_nothing_of_anothers(scene, desk, database, house, work):
    async def held():
        return {(model, name): await holding(database, model, name) for model, name in COLUMNS}, files_holding(desk)

    newcomer, before = await house.person("Nell Newcomer"), await held()

    await erasing.erase_person(desk, newcomer.id, lambda _: None)
    await work.run()

    assert await held() == before


async def test_the_erased_ticket_is_found_by_its_tags_alone(scene, desk, api, agent, work):
    async def found(text):
        query = "query ($text: String!) { tickets(filter: {text: $text}) { totalCount } }"
        return (await api(agent, query, text=text))["tickets"]["totalCount"]

    texts = ("tag", "wrote", "subject body", "agent's words")  # the last two on another's ticket
    assert [await found(text) for text in texts] == [1, 1, 1, 1]

    await erasing.erase_person(desk, scene.person.id, lambda _: None)

    assert [await found(text) for text in texts] == [1, 0, 1, 1]


async def test_what_broke_off_is_begun_again_by_the_same_address(scene, desk, database, monkeypatch):
    calls, follow = [], erasing._follow

    async def breaks(unit, rule, keys):
        calls.append(rule.model)
        if rule.model is models.EventText:
            raise RuntimeError("the machine is off")
        await follow(unit, rule, keys)

    monkeypatch.setattr(erasing, "_follow", breaks)
    with pytest.raises(RuntimeError):
        await erasing.erase_person(desk, scene.person.id, lambda _: None)
    assert await holding(database, models.EventText, "text")
    assert not await holding(database, models.Comment, "body")
    monkeypatch.setattr(erasing, "_follow", follow)
    monkeypatch.setattr(erasing, "BATCH", 2)

    said = []
    assert await erasing.erase(desk.settings, " Canary@example.com", lambda _: True, said.append)

    assert not any(line.startswith("comments") for line in said)
    assert {await holding(database, model, name) for model, name in COLUMNS} == {0}


async def test_a_batch_that_came_at_a_wrong_moment_is_tried_again(scene, desk, database, monkeypatch):
    follow, calls = erasing._follow, []

    async def busy(unit, rule, keys):
        calls.append(rule)
        if len(calls) in {3, 4, 9}:
            raise Unavailable
        await follow(unit, rule, keys)

    monkeypatch.setattr(erasing, "_follow", busy)
    monkeypatch.setattr(erasing, "PAUSES", (0.0, 0.0))

    await erasing.erase_person(desk, scene.person.id, lambda _: None)

    assert {await holding(database, model, name) for model, name in COLUMNS} == {0}


def test_what_jobs_and_events_hold_beside_ids_is_known():
    """A new text among them wants a rule: `JobRow.payload` and `Event.data` are kept but for what is here."""
    jobs = [kind for kind in Job.kinds.values() if kind.__module__ == "domain.jobs"]

    assert texts_of(jobs) == {
        ("SendSignInLink", "email"), ("SignUp", "name"), ("SignUp", "email"), ("SignUp", "locale"),
        ("EraseFiles", "keys"), ("WarnOfSla", "target"), ("LookAgain", "department_ids"), ("LookAgain", "priorities"),
        *(("TellOperator", name) for name in ("error_id", "fault", "place", "about", "at")),
    }  # fmt: skip
    apart = {(kind, name) for kind, happening in happenings.KINDS.items() for name in happening.texts}
    tags = {("TicketSubmitted", "initial_tags"), ("TagsChanged", "added_tags"), ("TagsChanged", "removed_tags")}
    assert texts_of(happenings.KINDS.values()) - apart == tags


def texts_of(kinds):
    """The fields that hold texts."""
    return {
        (kind.__name__, field.name)
        for kind in kinds
        for field in dataclasses.fields(kind)
        if "str" in str(typing.get_type_hints(kind)[field.name])
    }


async def test_nothing_happens_without_agreement_and_the_last_admin_stays(desk, database, admin):
    before = await database.counts()

    assert not await erasing.erase(desk.settings, admin.email, lambda _: False, print)
    with pytest.raises(Conflict):
        await erasing.erase(desk.settings, admin.email, lambda found: found.role == "ADMIN", print)

    assert await database.counts() == before
    assert (await database.rows("SELECT name, active FROM people")) == [{"name": admin.name, "active": True}]


async def test_who_worked_here_leaves_their_words_and_takes_no_customers_subject(
    database, desk, api, house, submit, support, problem, customer, stranger, director, work
):
    leaver = await house.person("Canary Leaver", models.Role.AGENT, support)
    c = Canary(api, desk, database, leaver)
    ticket = (await submit(customer, problem))["id"]
    await c.do(leaver, "updateTicket", ticketId=ticket, subject="Better words")
    await c.do(leaver, "assignTicket", ticketId=ticket, assigneeId=leaver.gid)
    await c.do(leaver, "addComment", ticketId=ticket, body=c.word())
    await c.do(leaver, "changeTicketStatus", ticketId=ticket, status="ON_HOLD", reason=c.word())
    given = (await submit(stranger, problem, subject="First words", body="First words"))["id"]
    await c.do(director, "updateTicket", ticketId=given, requesterId=customer.gid, subject="Second words")
    await work.run()

    await erasing.erase_person(desk, leaver.id, lambda _: None)
    await erasing.erase_person(desk, stranger.id, lambda _: None)
    await work.run()

    rows = await database.rows("SELECT id, subject, body, requester_id, assignee_id FROM tickets ORDER BY id")
    assert [(row["subject"], row["body"], row["assignee_id"]) for row in rows] == [
        ("Better words", "It **burns**.", None),
        ("Erased", "", None),  # whoever it was given to did not write it
    ]
    assert {row["requester_id"] for row in rows} == {customer.id}
    for row in rows:
        state = replayed(row["id"], {row["id"]: await database.rows(EVENTS, id=row["id"])})
        assert (state["subject"], state["assignee_id"]) == (row["subject"], None)
    assert {await holding(database, model, name) for model, name in COLUMNS} == {0}


async def test_the_archive_holds_what_they_may_read_and_nothing_of_the_others(scene, desk, database, tmp_path):
    said, path = [], tmp_path / "canary.zip"

    await exporting.export(desk.settings, "Canary@Example.com", path, said.append)

    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in archive.namelist()}
    parts = {name: json.loads(text) for name, text in held.items() if name.endswith(".json")}
    assert set(parts) == {f"{part.name}.json" for part in PARTS}
    assert [f"{len(parts[line.split(':')[0]]):,}" for line in said] == [line.rsplit(" ", 1)[1] for line in said]
    assert all(line in held["README.txt"].decode() for line in said)
    (ticket,) = parts["tickets.json"]
    (row,) = await database.rows("SELECT number, subject, body, topic FROM tickets WHERE id = :id", id=scene.own)
    assert {name: ticket[name] for name in row} == row
    bodies = [comment["body"] for comment in parts["comments.json"]]
    notes = await database.rows("SELECT body FROM comments WHERE internal")
    others = await database.rows("SELECT body FROM comments WHERE body LIKE 'An agent%'")
    public = await database.rows("SELECT body FROM comments WHERE NOT internal AND body LIKE '%canary%'")
    assert sorted(bodies) == sorted(row["body"] for row in public)
    secrets = ["$argon2", "d" * 64, *(row["body"] for row in notes + others)]
    everything = b"".join(held.values()).decode()
    assert [secret for secret in secrets if secret in everything] == []
    assert [file["ticket"] for file in parts["files.json"]] == [ticket["number"], ticket["number"] + 1]
    assert all(CANARY.encode() in held[file["file"]] for file in parts["files.json"])
    assert {r["feedback"] for r in parts["resolutions.json"]} > {None}
    assert parts["views.json"][0]["filter"]["text"].startswith(CANARY)
    assert parts["identities.json"][0]["subject"].startswith(CANARY)
    told = "SELECT action, actor_id, subject_id, changes FROM audit_entries WHERE summary = 'Exported a person.'"
    (entry,) = await database.rows(told)
    assert entry == {"action": "deskwire", "actor_id": None, "subject_id": scene.person.id, "changes": []}


@pytest.fixture
def archived(desk, tmp_path):
    """What the archive of somebody says, by file."""

    async def read(person):
        await exporting.export(desk.settings, person.email, tmp_path / "their.zip", lambda _: None)
        with zipfile.ZipFile(tmp_path / "their.zip") as archive:
            return {part.name: json.loads(archive.read(f"{part.name}.json")) for part in PARTS}

    return read


async def test_of_what_is_anothers_nothing_is_archived(scene, archived, house, desk):
    newcomer, service = await house.person("Nell Newcomer"), await house.service("Internet")
    async with desk.writes.begin() as unit:
        unit.insert(models.ServiceSubscription, service_id=service.id, person_id=scene.person.id)

    parts = await archived(newcomer)

    assert {name: len(rows) for name, rows in parts.items() if rows} == {"person": 1, "sessions": 1, "audit": 2}
    assert parts["person"][0]["email"] == newcomer.email
    assert [entry["summary"] for entry in parts["audit"]] == ["Created a person.", "Opened a session."]


async def test_of_what_concerns_them_nothing_is_archived_that_others_keep_to_themselves(
    scene, archived, database, agent
):
    own = {row["text"] for row in await database.rows(TEXTS, id=scene.person.id)}
    await database.rows(
        "UPDATE attachments SET internal = true, uploaded_by_id = :agent WHERE ticket_id = :own",
        agent=agent.id,
        own=scene.own,
    )
    await database.rows("UPDATE article_reviews SET requested_by_id = :agent", agent=agent.id)

    parts = await archived(scene.person)

    assert [file["ticket"] for file in parts["files"]] == [parts["tickets"][0]["number"] + 1]
    assert [(review["note"], bool(review["outcome"])) for review in parts["reviews"]] == [(None, True)]
    assert "TagsChanged" not in {event["kind"] for event in parts["history"]}
    assert {text for event in parts["history"] for text in (event["texts"] or {}).values()} == own
    said = [(entry["ip_address"], entry["changes"]) for entry in parts["audit"] if entry["summary"] == "Said."]
    assert said == [(None, []), ("canary-network", None), ("canary-network", None)]  # about them, and twice by them


async def test_an_archive_in_batches_is_the_same_and_never_replaces_a_file(scene, desk, tmp_path, monkeypatch):
    whole, batched = tmp_path / "whole.zip", tmp_path / "batched.zip"
    await exporting.export(desk.settings, scene.person.email, whole, lambda _: None)
    monkeypatch.setattr(exporting, "BATCH", 1)
    await exporting.export(desk.settings, scene.person.email, batched, lambda _: None)

    with zipfile.ZipFile(whole) as one, zipfile.ZipFile(batched) as other:
        assert one.namelist() == other.namelist()
        for name in set(one.namelist()) - {"README.txt", "audit.json"}:
            assert one.read(name) == other.read(name)
        *before, exported = json.loads(other.read("audit.json"))
        assert (before, exported["summary"]) == (json.loads(one.read("audit.json")), "Exported a person.")
    with pytest.raises(InvalidInput):
        await exporting.export(desk.settings, scene.person.email, whole, lambda _: None)
    with pytest.raises(NotFound):
        await exporting.export(desk.settings, "nobody@example.com", tmp_path / "x.zip", lambda _: None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["batched.zip", "whole.zip"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "C:\\x", "a\0b", "é" * 300])
def test_no_file_leads_out_of_the_archive(name):
    safe = exporting._safe(name)

    assert safe
    assert not set("/\\:\0") & set(safe)
    assert not safe.startswith(".")
    assert len(safe) <= exporting.MOST_NAME
