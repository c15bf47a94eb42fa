"""A ticket's history replayed gives the ticket: random lives, by random people, with the clock in between."""

import datetime as dt
import os
from random import Random

import pytest
from replay import APPLY, replayed

from domain import happenings
from domain.tickets import timers
from models import Role

SEEN = set()  # kinds of events
LIVES = int(os.environ.get("RANDOM_LIVES", "12"))
STEPS = 40
RESULT = "__typename ... on Refusal { message }"

ROW = """SELECT t.status, t.priority, t.category_id::text, t.department_id::text, t.assignee_id::text,
    t.requester_id::text, t.service_id::text, t.subject, t.tags, t.resumes_at, t.escalation_rank,
    t.merged_into_id::text, t.rating, t.last_seq, t.public_seq, t.closed_at, t.resolved_at,
    (SELECT r.id::text FROM resolutions r WHERE r.ticket_id = t.id ORDER BY r.id DESC LIMIT 1) AS resolution_id,
    ARRAY(SELECT person_id::text FROM watchers w WHERE w.ticket_id = t.id) AS watchers,
    (SELECT v.policy_id::text FROM sla_versions v WHERE v.id = t.sla_version_id) AS policy_id,
    ARRAY(SELECT target FROM sla_clocks c WHERE c.ticket_id = t.id AND breached_at IS NOT NULL) AS breaches,
    (SELECT coalesce(jsonb_object_agg(other_id::text, kind), '{}')
        FROM ticket_links l WHERE l.ticket_id = t.id) AS links,
    (SELECT coalesce(jsonb_object_agg(id::text, CASE WHEN deleted_at IS NOT NULL THEN 'deleted'
        WHEN edited_at IS NOT NULL THEN 'edited' ELSE 'added' END), '{}')
        FROM comments c WHERE c.ticket_id = t.id) AS comments,
    (SELECT max(e.id::text) FROM escalations e WHERE e.ticket_id = t.id AND ended_at IS NULL) AS in_force
    FROM tickets t WHERE t.id = :id"""
EVENTS = """SELECT e.kind, e.data, e.seq, e.public_seq, coalesce((SELECT jsonb_object_agg(name, text)
    FROM event_texts x WHERE x.event_id = e.id), '{}') AS texts FROM events e WHERE e.ticket_id = :id ORDER BY e.seq"""


class Life:
    """One ticket and everybody who may do something with it."""

    def __init__(self, luck, api, database, desk, house):
        self.luck, self.api, self.database, self.desk, self.house = luck, api, database, desk, house
        self.comments, self.done = [], []

    async def step(self, names=()):
        rows = await self.database.rows("SELECT max(id::text) AS id FROM escalations WHERE ended_at IS NULL")
        self.escalation = f"esc_{rows[0]['id'] or self.ticket[4:]}"
        name = self.luck.choice(list(names or MOVES))
        mutation, given = MOVES[name](self)
        who = self.luck.choice(self.people)
        if self.luck.random() < 0.6:  # somebody who may
            who = self.customers[0] if mutation == "confirmResolution" else self.director
        kind = f"{mutation[0].upper()}{mutation[1:]}"
        extra = " ... on AddCommentSuccess { comment { id } }" if mutation == "addComment" else ""
        extra = " ... on AddInternalCommentSuccess { comment { id } }" if mutation == "addInternalComment" else extra
        text = f"mutation ($input: {kind}Input!) {{ {mutation}(input: $input) {{ {RESULT}{extra} }} }}"
        answer = await self.api.answer(who, text, input=given)
        assert not [e for e in answer.get("errors", ()) if e["extensions"]["code"] == "INTERNAL"], (answer, given)
        result = (answer.get("data") or {}).get(mutation) or {"__typename": "error"}
        if "comment" in result:
            self.comments.append(result["comment"]["id"])
        self.done.append(f"{who.name}: {mutation} {given} -> {result['__typename']}")
        return result["__typename"].endswith("Success")


def _update(life):
    given = {}
    if life.luck.random() < 0.5:
        given["subject"] = f"Subject {life.luck.randrange(3)}"
    if life.luck.random() < 0.5:
        given["priority"] = life.luck.choice(["LOW", "NORMAL", "HIGH", "URGENT"])
    if life.luck.random() < 0.3:
        given["categoryId"] = life.luck.choice(life.categories).gid
    if life.luck.random() < 0.2:
        given["departmentId"] = life.luck.choice(life.departments).gid
    if life.luck.random() < 0.3:
        given["serviceId"] = life.luck.choice([None, life.service.gid])
    if life.luck.random() < 0.1:
        given["requesterId"] = life.luck.choice(life.customers).gid
    if life.luck.random() < 0.4:
        given["addTags"] = life.luck.sample(["a", "b", "c"], 2)
    if life.luck.random() < 0.3:
        given["removeTags"] = life.luck.sample(["a", "b", "c"], 1)
    return "updateTicket", {"ticketId": life.ticket} | given


def _triage(life):
    return "triageTicket", {"ticketId": life.ticket, "categoryId": life.luck.choice(life.categories).gid}


def _status(life):
    status = life.luck.choice(["OPEN", "PENDING", "ON_HOLD"])
    given = {"ticketId": life.ticket, "status": status, "reason": life.luck.choice([None, "Because."])}
    if status == "ON_HOLD" and life.luck.random() < 0.5:
        given["resumesAt"] = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=life.luck.randrange(1, 9))).isoformat()
    return "changeTicketStatus", given


def _comment(mutation):
    def move(life):
        given = {"ticketId": life.luck.choice([life.ticket, life.ticket, *life.others]), "body": "Words."}
        if mutation == "addComment" and life.luck.random() < 0.3:
            given["thenStatus"] = life.luck.choice(["OPEN", "PENDING", "ON_HOLD"])
        return mutation, given

    return move


def _of_comment(mutation, **more):
    def move(life):
        return mutation, {"commentId": life.luck.choice(life.comments or [f"com_{life.ticket[4:]}"])} | more

    return move


def _of_ticket(mutation, **more):
    def move(life):
        return mutation, {"ticketId": life.ticket} | {
            name: life.luck.choice(value) if isinstance(value, list) else value for name, value in more.items()
        }

    return move


def _person(mutation, field, *, maybe_none=False):
    def move(life):
        people = [person.gid for person in life.people] + ([None] if maybe_none else [])
        return mutation, {"ticketId": life.ticket, field: life.luck.choice(people)}

    return move


def _link(mutation, **more):
    def move(life):
        given = {"ticketId": life.ticket, "otherTicketId": life.luck.choice(life.others)}
        if more:
            given["kind"] = life.luck.choice(more["kind"])
        return mutation, given

    return move


MOVES = {
    "update": _update,
    "update again": _update,
    "status": _status,
    "assign": _person("assignTicket", "assigneeId", maybe_none=True),
    "triage": _triage,
    "triage again": _triage,
    "triage once more": _triage,
    "comment": _comment("addComment"),
    "comment again": _comment("addComment"),
    "note": _comment("addInternalComment"),
    "edit": _of_comment("editComment", body="Other words."),
    "delete": _of_comment("deleteComment"),
    "watch": _person("watchTicket", "personId"),
    "watch another": lambda life: (
        "watchTicket",
        {"ticketId": life.others[0], "personId": life.luck.choice(life.people).gid},
    ),
    "unwatch": _person("unwatchTicket", "personId"),
    "link": _link("linkTickets", kind=["RELATED", "BLOCKED_BY", "BLOCKS"]),
    "unlink": _link("unlinkTickets"),
    "merge": lambda life: (
        "mergeTickets",
        {"intoTicketId": life.ticket, "ticketIds": life.luck.sample(life.others, life.luck.choice([1, 1, 2]))},
    ),
    "escalate": _of_ticket("escalateTicket", reason="Hurry."),
    "acknowledge": lambda life: ("acknowledgeEscalation", {"escalationId": life.escalation}),
    "end": lambda life: ("endEscalation", {"escalationId": life.escalation, "reason": "It is calm."}),
    "resolve": _of_ticket("resolveTicket", summary=[None, "Done."]),
    "confirm": _of_ticket("confirmResolution", rating=[None, 1, 5], feedback=[None, "Fine."]),
    "reopen": _of_ticket("reopenTicket", reason="Not solved."),
    "close": lambda life: (
        ("closeTicket", {"ticketId": life.ticket, "reason": life.luck.choice([None, "No use."])})
        if life.luck.random() < 0.3
        else _status(life)
    ),
}


def test_every_kind_of_event_can_be_replayed():
    assert set(APPLY) == set(happenings.KINDS)


@pytest.mark.parametrize("seed", range(LIVES))
async def test_the_history_replayed_is_the_ticket(seed, api, database, desk, house, submit):
    luck = Random(seed)
    life = Life(luck, api, database, desk, house)
    support, billing = await house.department("Support"), await house.department("Billing")
    life.departments = [support, billing]
    life.categories = [
        await house.category("Problem", support),
        await house.category("Invoices", billing, position=1),
        await house.category("Other", support, is_other=True),
    ]
    life.service = await house.service("API")
    life.customers = [await house.person("Carla Customer"), await house.person("Otto Other")]
    staff = [
        await house.person("Ada Agent", Role.AGENT, support),
        await house.person("Bill Billing", Role.AGENT, billing),
        await house.person("Leo Lead", Role.TEAM_LEAD, support),
        await house.person("Dora Director", Role.DIRECTOR),
    ]
    life.people, life.director = [*life.customers, *staff], staff[-1]
    await _settings(luck, desk, support)
    is_other = luck.random() < 0.5
    topic = {"otherTopic": "This"} if is_other else {}
    life.ticket = (await submit(life.customers[0], life.categories[2 if is_other else 0], **topic))["id"]
    life.others = [(await submit(life.customers[0], life.categories[0]))["id"] for _ in range(2)]

    took_effect = 0
    for number in range(STEPS):
        took_effect += await life.step()
        if number % 10 == 9:
            await _time_passes(database, desk, luck, life.ticket)
        if number % 5 == 4:
            await check(database, life, life.ticket)
    await timers.sweep(desk)
    for ticket in (life.ticket, *life.others):
        await check(database, life, ticket)
    assert took_effect > STEPS / 6, life.done


async def _settings(luck, desk, support):
    """A policy and rules, so that clocks run and tickets go up."""
    import models

    async with desk.writes.begin() as unit:
        policy = unit.insert(
            models.SlaPolicy, name="All", description=None, position=0, active=True,
            department_ids=luck.choice([[], [support.id]]), category_ids=[],
        )  # fmt: skip
        unit.insert(
            models.SlaVersion, policy_id=policy.id, number=1, calendar_id=None, pauses_on_hold=luck.random() < 0.5,
            targets={p.name: {"FIRST_RESPONSE": 3600, "RESOLUTION": 7200} for p in models.TicketPriority},
            created_at=unit.now,
        )  # fmt: skip
        for number, level in enumerate(models.EscalationLevel):
            unit.insert(
                models.EscalationRule, name=f"Rule {number}", active=True, level=level, priorities=[],
                department_ids=[],
                trigger=luck.choice(list(models.EscalationTrigger)), after_seconds=luck.choice([0, 3600]),
                changed_at=unit.now,
            )  # fmt: skip


SHIFTED = {
    "tickets": (
        "created_at",
        "waiting_since",
        "breached_at",
        "due_at",
        "timer_at",
        "resumes_at",
        "resolved_at",
        "closed_at",
    ),
    "sla_clocks": ("running_since", "due_at", "paused_at"),
    "escalations": ("at",),
    "resolutions": ("resolved_at", "confirm_by"),
}


async def _time_passes(database, desk, luck, ticket):
    """Everything of the ticket happened some hours earlier than it did, and the clock looks at it."""
    hours = luck.choice([1, 3, 24 * 8])
    for table, columns in SHIFTED.items():
        moved = ", ".join(f"{name} = {name} - interval '{hours} hours'" for name in columns)
        key = "id" if table == "tickets" else "ticket_id"
        await database.rows(f"UPDATE {table} SET {moved} WHERE {key} = :id", id=ticket[4:])
    await database.rows("UPDATE tickets SET timer_at = now() - interval '1 second' WHERE id = :id", id=ticket[4:])
    for _ in range(4):
        await timers.sweep(desk)


async def check(database, life, ticket):
    """The ticket, its history replayed, and its two counts without a gap."""
    (row,) = await database.rows(ROW, id=ticket[4:])
    histories = {each[4:]: await database.rows(EVENTS, id=each[4:]) for each in (life.ticket, *life.others)}
    events = histories[ticket[4:]]
    told = replayed(ticket[4:], histories)
    SEEN.update(event["kind"] for event in events)
    for name in (
        "status", "priority", "category_id", "department_id", "assignee_id", "requester_id", "service_id", "subject",
        "escalation_rank", "merged_into_id", "rating", "resolution_id", "links", "comments",
        "policy_id",
    ):  # fmt: skip
        assert told[name] == row[name], (name, "\n".join(life.done))
    assert told["tags"] == set(row["tags"])
    assert told["watchers"] == set(row["watchers"]), life.done
    assert set(told["breaches"]) == set(row["breaches"]), life.done
    assert len(told["breaches"]) == len(set(told["breaches"])), life.done
    assert (row["escalation_rank"] > 0) == (row["in_force"] is not None), life.done
    assert (row["closed_at"] is not None) == (row["status"] == "CLOSED"), life.done
    assert [event["seq"] for event in events] == list(range(1, row["last_seq"] + 1))
    public = [event["public_seq"] for event in events if event["public_seq"] is not None]
    assert public == list(range(1, row["public_seq"] + 1))


def test_the_lives_were_full():
    # The rest is told by workers.
    assert set(happenings.KINDS) - SEEN <= {"MessageSent", "SlaPolicyChanged", "RequesterChanged"}
