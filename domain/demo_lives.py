"""The lives of the large demo's tickets: who wrote what when, and what became of it."""

import bisect
import datetime as dt
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from domain import words
from infra.unit import now
from models import ResolutionState, SlaTargetKind, TicketChannel, TicketPriority, TicketStatus

YEARS = 3
OPEN_FROM = 0.88  # of all tickets in their order: from there on most are not closed yet
PRODUCTS = ("printer", "invoice", "account", "delivery", "laptop", "password", "subscription", "export", "phone", "map")
MATTERS = (
    "does not work",
    "is late",
    "was lost",
    "shows an error",
    "has the wrong address",
    "needs an update",
    "broke",
)
ANSWERS = (
    "Thank you for writing. Could you send us a photo and the serial number?",
    "We have looked into it and sent a replacement. It should arrive within two days.",
    "Please restart the device, then install the latest version from our site.",
    "Your refund is on its way; the bank needs up to five days.",
    "Our engineers have found the cause. A correction is being tested.",
    "Can you tell us when it happened first, and whether colleagues see it too?",
)
REPLIES = (
    "It still happens, every morning when I open the report.",
    "Here is what you asked for. The label on the back is hard to read.",
    "Great, that helped! One more question: does the warranty cover the cable?",
    "I have tried all of that already, without any luck.",
    "My colleague in Lisbon sees the same on her screen.",
    "When will the courier be here? Somebody must open the gate.",
)
NOTES = (
    "Customer called twice, sounds upset. Handle with care.",
    "Known fault of the March batch, see the wiki.",
    "Waiting for the warehouse to confirm stock.",
)
TAGS = ("vip", "follow-up", "refund", "warranty", "outage", "feature", "spam", "bug", "german", "urgent-call")


DAY = 86_400
# Around the clock, to the first answer and to the resolution.
TARGETS = {
    TicketPriority.LOW.name: (2 * DAY, 120 * DAY),
    TicketPriority.NORMAL.name: (DAY, 90 * DAY),
    TicketPriority.HIGH.name: (DAY // 3, 30 * DAY),
    TicketPriority.URGENT.name: (DAY // 12, 7 * DAY),
}
KINDS = (SlaTargetKind.FIRST_RESPONSE.name, SlaTargetKind.RESOLUTION.name)


@dataclass
class House:
    """What tickets refer to."""

    requesters: list[UUID] = field(default_factory=list)
    agents: dict[UUID, list[UUID]] = field(default_factory=lambda: defaultdict(list))  # by department
    categories: list[tuple[UUID, UUID]] = field(default_factory=list)  # with their departments
    services: list[UUID] = field(default_factory=list)
    sla_policy_id: UUID | None = None
    sla_version_id: UUID | None = None


class Made(NamedTuple):
    """A ticket and its history, as rows."""

    ticket: dict[str, Any]
    comments: list[dict[str, Any]]
    events: list[dict[str, Any]]
    clocks: list[dict[str, Any]]
    resolution: dict[str, Any] | None
    text: dict[str, Any]


def id_at(luck: random.Random, moment: dt.datetime) -> UUID:
    """A uuid of version 7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    noise = luck.getrandbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | noise >> 62 << 64 | 0x2 << 62 | noise & (1 << 62) - 1)


def lives(house: House, luck: random.Random, numbers: range) -> Iterator[Made]:
    """The tickets in the order of their numbers, evenly over the last years."""
    end = now()
    step = dt.timedelta(days=365 * YEARS) / len(numbers)
    bodies = [f"My **{thing}** {matter}. What can I do?" for thing in PRODUCTS for matter in MATTERS]
    texts = [(body, words.html(body)) for body in bodies]
    # A few customers and categories have very many, many have few.
    customers = list(itertools.accumulate(1 / (place + 10) for place in range(len(house.requesters))))
    categories = list(itertools.accumulate(1 / (place + 1) for place in range(len(house.categories))))
    for place, number in enumerate(numbers):
        created_at = _cut(end - step * (len(numbers) - place - luck.random()))
        requester_id = house.requesters[bisect.bisect(customers, luck.random() * customers[-1])]
        category_id, department_id = house.categories[bisect.bisect(categories, luck.random() * categories[-1])]
        status = _status(luck, share=place / len(numbers))
        fresh = status is TicketStatus.OPEN
        agents = house.agents[department_id]
        ticket = {
            "id": id_at(luck, created_at),
            "number": number,
            "subject": f"My {luck.choice(PRODUCTS)} {luck.choice(MATTERS)}",
            **dict(zip(("body", "body_html"), luck.choice(texts), strict=True)),
            "status": status.name,
            **_urgency(luck),
            "category_id": category_id,
            "department_id": department_id,
            "requester_id": requester_id,
            "assignee_id": luck.choice(agents) if agents and not (fresh and luck.random() < 0.5) else None,  # noqa: PLR2004 # half
            "service_id": luck.choice(house.services) if house.services and number % 3 == 0 else None,
            "tags": luck.sample(TAGS, number % 3),
            "channel": TicketChannel.PORTAL.name,
            "created_at": created_at,
            "first_responded_at": None if fresh else _later(luck, created_at, end, hours=8),
            "waiting_since": created_at if fresh else None,
        }
        comments = list(_comments(luck, ticket, end))
        clocks = list(_clocks(ticket, end))
        resolution = _resolution(luck, ticket, comments, end)
        ticket |= _due(house, clocks) | _ended(resolution, end)
        happened = [
            *_events(ticket, house.sla_policy_id),
            *_commented(ticket, comments),
            *_missed(clocks),
            *_resolved(ticket, resolution),
        ]
        events = _in_order(luck, ticket, sorted(happened, key=lambda one: one.at))
        public = [event for event in events if event["public_seq"]]
        yield Made(
            ticket
            | {"updated_at": events[-1]["at"], "last_seq": len(events)}
            | {"public_updated_at": public[-1]["at"], "public_seq": len(public)},
            comments,
            events,
            clocks,
            resolution,
            {"event_id": events[0]["id"], "name": "subject", "text": ticket["subject"]},
        )


def _cut(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _later(luck: random.Random, moment: dt.datetime, end: dt.datetime, *, hours: float) -> dt.datetime:
    return min(end, _cut(moment + dt.timedelta(hours=luck.expovariate(1 / hours))))


def _status(luck: random.Random, *, share: float) -> TicketStatus:
    """What became of it. `share`: of all tickets, those that came before it."""
    if luck.random() < (0.8 if share > OPEN_FROM else 0.004):
        left = (TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.ON_HOLD, TicketStatus.RESOLVED)
        return luck.choices(left, (6, 2, 1, 1))[0]
    return TicketStatus.CLOSED


def _urgency(luck: random.Random) -> dict[str, Any]:
    priority = luck.choices(list(TicketPriority), (2, 6, 2, 1))[0]
    return {"priority": priority.name, "priority_rank": priority.value}


class Happened(NamedTuple):
    """What becomes an event."""

    at: dt.datetime
    kind: str
    actor_id: UUID | None
    data: dict[str, Any]
    internal: bool = False


def _events(ticket: dict[str, Any], policy_id: UUID | None) -> Iterator[Happened]:
    """That it was submitted, routed, and given to whoever has it."""
    at = ticket["created_at"]
    submitted = {
        "initial_priority": ticket["priority"],
        "initial_category_id": ticket["category_id"],
        "initial_requester_id": ticket["requester_id"],
        "initial_service_id": ticket["service_id"],
        "initial_tags": ticket["tags"],
        "initial_policy_id": policy_id if ticket["sla_version_id"] else None,
        "channel": ticket["channel"],
    }
    yield Happened(at, "TicketSubmitted", ticket["requester_id"], submitted)
    routed = {"from_department_id": None, "to_department_id": ticket["department_id"]}
    yield Happened(at, "TicketRouted", None, routed | {"rule_id": None, "escalation_id": None})
    if assignee_id := ticket["assignee_id"]:
        given = {"from_assignee_id": None, "to_assignee_id": assignee_id}
        yield Happened(at, "TicketAssigned", assignee_id, given)


def _comments(luck: random.Random, ticket: dict[str, Any], end: dt.datetime) -> Iterator[dict[str, Any]]:
    """What the desk and the customer write in turn, and what the desk notes for itself."""
    answered_at, agent_id = ticket["first_responded_at"], ticket["assignee_id"]
    at = answered_at or ticket["created_at"]
    for place in range(luck.randint(1, 11) if answered_at and agent_id else luck.randint(0, 1)):
        desk = bool(answered_at and agent_id) and place % 2 == 0
        internal = place > 0 and desk and luck.random() < 0.3  # noqa: PLR2004 # a third
        body = luck.choice(NOTES if internal else ANSWERS if desk else REPLIES)
        if luck.random() < 0.1:  # noqa: PLR2004 # a tenth
            body += f" RMA{luck.getrandbits(32)}"
        yield {
            "id": id_at(luck, at),
            "ticket_id": ticket["id"],
            "author_id": agent_id if desk else ticket["requester_id"],
            "body": body,
            "body_html": f"<p>{body}</p>",
            "internal": internal,
            "channel": TicketChannel.PORTAL.name,
            "created_at": at,
        }
        at = _later(luck, at, end, hours=6)


def _clocks(ticket: dict[str, Any], end: dt.datetime) -> Iterator[dict[str, Any]]:
    """Its SLA targets, while it is not resolved."""
    status, created_at, answered_at = ticket["status"], ticket["created_at"], ticket["first_responded_at"]
    if status in {TicketStatus.RESOLVED.name, TicketStatus.CLOSED.name}:
        return
    for kind, seconds in zip(KINDS, TARGETS[ticket["priority"]], strict=True):
        due_at = created_at + dt.timedelta(seconds=seconds)
        done_at = answered_at if kind == SlaTargetKind.FIRST_RESPONSE.name else None
        rests = done_at is None and status == TicketStatus.PENDING.name
        used = ticket["number"] * 61 % seconds if rests else 0
        yield {
            "ticket_id": ticket["id"],
            "target": kind,
            "target_seconds": seconds,
            "used_seconds": used,
            "running_since": None if rests or done_at else created_at,
            "paused_at": min(end, created_at + dt.timedelta(seconds=used)) if rests else None,
            "due_at": None if rests else due_at,
            "breached_at": due_at if not rests and due_at < (done_at or end) else None,
            "completed_at": done_at,
        }


def _resolution(
    luck: random.Random, ticket: dict[str, Any], comments: list[dict[str, Any]], end: dt.datetime
) -> dict[str, Any] | None:
    """How it was resolved, if it was, and what its customer said to that."""
    if ticket["status"] not in {TicketStatus.RESOLVED.name, TicketStatus.CLOSED.name}:
        return None
    last = comments[-1]["created_at"] if comments else ticket["first_responded_at"] or ticket["created_at"]
    resolved_at = _later(luck, last, end, hours=4)
    states = (ResolutionState.CONFIRMED, ResolutionState.CONFIRMED, ResolutionState.EXPIRED)
    state = luck.choice(states) if ticket["status"] == TicketStatus.CLOSED.name else ResolutionState.AWAITING
    confirmed = state is ResolutionState.CONFIRMED
    answered_at = _later(luck, resolved_at, end, hours=24) if confirmed else None
    rating = luck.choices((None, 1, 2, 3, 4, 5), (10, 1, 1, 2, 5, 6))[0] if confirmed else None
    return {
        "id": id_at(luck, resolved_at),
        "ticket_id": ticket["id"],
        "resolved_at": resolved_at,
        "resolved_by_id": ticket["assignee_id"],
        "assignee_id": ticket["assignee_id"],
        "department_id": ticket["department_id"],
        "state": state.name,
        "answered_at": answered_at,
        "rating": rating,
        "rated_at": answered_at if rating else None,
    }


def _ended(resolution: dict[str, Any] | None, end: dt.datetime) -> dict[str, Any]:
    """What a ticket says of its resolution, and since when it is closed."""
    if resolution is None:
        return {"resolved_at": None, "rating": None, "closed_at": None}
    resolved_at, closed_at = resolution["resolved_at"], resolution["answered_at"]
    if resolution["state"] == ResolutionState.EXPIRED.name:
        closed_at = min(end, resolved_at + dt.timedelta(days=7))
    return {"resolved_at": resolved_at, "rating": resolution["rating"], "closed_at": closed_at}


def _resolved(ticket: dict[str, Any], resolution: dict[str, Any] | None) -> Iterator[Happened]:
    """That it was resolved, what its customer said to that, and that it was closed."""
    if resolution is None:
        return
    about = {"resolution_id": resolution["id"]}
    yield Happened(resolution["resolved_at"], "TicketResolved", resolution["resolved_by_id"], about)
    if closed_at := ticket["closed_at"]:
        actor_id = ticket["requester_id"] if resolution["answered_at"] else None
        if actor_id:
            yield Happened(closed_at, "ResolutionConfirmed", actor_id, about | {"rating": resolution["rating"]})
        yield Happened(closed_at, "TicketClosed", actor_id, {"expired": actor_id is None})


def _due(house: House, clocks: list[dict[str, Any]]) -> dict[str, Any]:
    """What a ticket says of its clocks."""
    running = [clock for clock in clocks if clock["running_since"]]
    looks = [clock["due_at"] - dt.timedelta(hours=1) for clock in running if clock["breached_at"] is None]
    return {
        "sla_version_id": house.sla_version_id if clocks else None,
        "due_at": min((clock["due_at"] for clock in running), default=None),
        "breached_at": min((clock["breached_at"] for clock in clocks if clock["breached_at"]), default=None),
        "timer_at": min(looks, default=None),
    }


def _missed(clocks: Iterable[dict[str, Any]]) -> Iterator[Happened]:
    """That these targets were missed."""
    for clock in clocks:
        if at := clock["breached_at"]:
            data = {"target": clock["target"], "due_at": clock["due_at"].isoformat()}
            yield Happened(at, "SlaBreached", None, data, internal=True)


def _commented(ticket: dict[str, Any], comments: Iterable[dict[str, Any]]) -> Iterator[Happened]:
    """That these were added."""
    for row in comments:
        data = {"comment_id": row["id"], "by_staff": row["author_id"] != ticket["requester_id"]}
        yield Happened(row["created_at"], "CommentAdded", row["author_id"], data, row["internal"])


def _in_order(luck: random.Random, ticket: dict[str, Any], happened: list[Happened]) -> list[dict[str, Any]]:
    """The history, counted for both sides."""
    events, public = [], 0
    for seq, one in enumerate(happened, 1):
        public += not one.internal
        events.append(
            {
                "id": id_at(luck, one.at),
                "ticket_id": ticket["id"],
                "seq": seq,
                "public_seq": None if one.internal else public,
                "kind": one.kind,
                "actor_id": one.actor_id,
                "at": one.at,
                "data": orjson.dumps(one.data, default=str).decode(),
            }
        )
    return events
