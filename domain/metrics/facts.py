"""What a ticket's history comes to in numbers: a fold over its events, which gives what is to be counted."""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from domain.calendars import working
from domain.calendars.working import Hours
from models import EscalationLevel, SlaTargetKind, TicketPriority, TicketStatus

NOBODY = UUID(int=0)
_NOBODY = str(NOBODY)
QUARTER = 15  # minutes
# A value lies within 1 % of its bucket's: DDSketch by Masson, Rim and Lee (2019), section 2.1, with alpha = 0.01. In
# whole seconds that is exact below 50 and within 2 % from there on.
GAMMA = 1.01 / 0.99
LAST_BUCKET = 1023
LEVELS = {level.name: f"to_{level.name.lower()}" for level in EscalationLevel}


class Key(NamedTuple):
    """What something counts for."""

    department_id: str
    agent_id: str | None
    category_id: str
    priority: str


class Counted(NamedTuple):
    """So much of a measure, at a moment, for a key. What is taken back has the opposite amount."""

    at: dt.datetime
    key: Key
    measure: str
    amount: int
    bucket: int | None = None
    undone: bool = False  # whether what fell into the bucket is taken out of it


class Happened(NamedTuple):
    """An event, as far as numbers go."""

    kind: str
    at: dt.datetime
    actor_id: UUID | None
    public: bool
    data: dict[str, Any]


class About(NamedTuple):
    """What a history does not tell of its ticket."""

    first_responded_at: dt.datetime | None
    targets: frozenset[SlaTargetKind]  # that it has
    hours: Hours | None
    staff: frozenset[UUID]  # of those who act in it, for comments that don't tell


@dataclass(slots=True)
class State:
    """A ticket between two events; kept as JSON."""

    department_id: str = ""
    agent_id: str | None = None
    category_id: str = ""
    priority: str = ""
    requester_id: str = ""
    created_at: str = ""
    open: bool = False
    pending: list[list[str | None]] = field(default_factory=list)  # spans, the last perhaps without an end
    resolution: dict[str, Any] | None = None  # the last one, while it holds
    rating: dict[str, Any] | None = None  # what was said to it
    confirmed: bool = False
    breached: list[str] = field(default_factory=list)
    answered: bool = False

    def key(self, agent_id: UUID | str | None = None) -> Key:
        """What it counts for now, for its assignee or for somebody else."""
        agent = self.agent_id if agent_id is None else str(agent_id)
        return Key(self.department_id, agent, self.category_id, self.priority)


def bucket(seconds: int) -> int:
    """The bucket of a duration; the last of them, of 24 years, has all that took longer."""
    return 0 if seconds < 1 else min(math.ceil(math.log(seconds, GAMMA)) + 1, LAST_BUCKET)


def folded(state: State, events: Sequence[Happened], about: About) -> list[Counted]:
    """The facts of these events, which come next in the history. The state is taken on."""
    # What was answered too late is known to be so a moment later, in the same unit.
    late = {(event.data["target"], event.at) for event in events if event.kind == "SlaBreached"}
    fold = _Fold(state, about, late)
    after = state.key()
    for event in events:
        apply = _APPLY.get(event.kind)
        if apply is None:
            continue
        before, was_open = after, state.open
        apply(fold, event)
        if event.kind in _STAYING:  # most of a history
            continue
        after = state.key()
        if was_open and state.open and before != after:
            fold.count(event.at, before, "opened", -1)
            fold.count(event.at, after, "opened", 1)
        elif was_open and not state.open:
            fold.count(event.at, before, "opened", -1)
        elif state.open and not was_open:
            fold.count(event.at, after, "opened", 1)
    return fold.facts


class _Fold:
    def __init__(self, state: State, about: About, late: set[tuple[str, dt.datetime]]) -> None:
        self.state, self.about, self.late = state, about, late
        self.facts: list[Counted] = []

    def count(self, at: dt.datetime, key: Key, measure: str, amount: int = 1) -> None:
        self.facts.append(Counted(at, key, measure, amount))

    def lasted(self, at: dt.datetime, key: Key, measure: str, seconds: int) -> None:
        self.facts.append(Counted(at, key, measure, seconds, bucket(seconds)))

    def undo(self, at: dt.datetime, key: Key, measure: str, seconds: int) -> None:
        self.facts.append(Counted(at, key, measure, -seconds, bucket(seconds), undone=True))

    # --- What events do ----------------------------------------------------------------------------------------------

    def submitted(self, event: Happened) -> None:
        state, data = self.state, event.data
        state.category_id, state.priority = data["initial_category_id"], data["initial_priority"]
        state.requester_id, state.created_at = data["initial_requester_id"], event.at.isoformat()

    def routed(self, event: Happened) -> None:
        first = not self.state.department_id
        self.state.department_id = event.data["to_department_id"]
        if first:  # a ticket has a department from its second event on, at the same moment
            self.state.open = True
            self.count(event.at, self.state.key(), "submitted")

    def assigned(self, event: Happened) -> None:
        self.state.agent_id = event.data["to_assignee_id"]

    def recategorised(self, event: Happened) -> None:
        self.state.category_id = event.data["to_category_id"]

    def prioritised(self, event: Happened) -> None:
        self.state.priority = event.data["to_priority"]

    def handed_over(self, event: Happened) -> None:
        self.state.requester_id = event.data["to_requester_id"]

    def commented(self, event: Happened) -> None:
        staff = event.data.get("by_staff")  # whatever they have become since
        ours = event.actor_id in self.about.staff if staff is None else staff
        if ours and event.public and str(event.actor_id) != self.state.requester_id:
            self.count(event.at, self.state.key(event.actor_id), "replies")
            self.answered(event)

    def answered(self, event: Happened) -> None:
        """The first public answer, if it is that."""
        if event.at == self.about.first_responded_at:
            self.first_answered(event, event.at, event.actor_id)

    def first_answered(self, event: Happened, at: dt.datetime, by_id: UUID | str | None) -> None:
        """The first public answer, which was given then and which the event tells of."""
        state = self.state
        if state.answered:
            return
        state.answered = True
        key = state.key(state.agent_id or by_id)
        self.count(at, key, "first_responses")
        took = working.between(self.about.hours, dt.datetime.fromisoformat(state.created_at), at)
        self.lasted(at, key, "first_response_seconds", took)
        if self.is_met(event, SlaTargetKind.FIRST_RESPONSE):
            self.count(at, key, "first_response_met")

    def is_met(self, event: Happened, target: SlaTargetKind) -> bool:
        """Whether a target that ends with the event was met."""
        missed = target.name in self.state.breached or (target.name, event.at) in self.late
        return target in self.about.targets and not missed

    def moved(self, event: Happened) -> None:
        spans = self.state.pending
        if spans and spans[-1][1] is None:
            spans[-1][1] = event.at.isoformat()
        if event.data["to_status"] == TicketStatus.PENDING.name:
            spans.append([event.at.isoformat(), None])

    def resolved(self, event: Happened) -> None:
        state = self.state
        self.answered(event)
        if state.pending and state.pending[-1][1] is None:
            state.pending[-1][1] = event.at.isoformat()
        key, hours = state.key(state.agent_id or event.actor_id), self.about.hours
        took = working.between(hours, dt.datetime.fromisoformat(state.created_at), event.at)
        for begin, end in state.pending:
            if begin is not None and end is not None:
                span = dt.datetime.fromisoformat(begin), dt.datetime.fromisoformat(end)
                took -= working.between(hours, *span)
        took = max(took, 0)
        self.count(event.at, key, "resolved")
        self.lasted(event.at, key, "resolution_seconds", took)
        met = self.is_met(event, SlaTargetKind.RESOLUTION)
        if met:
            self.count(event.at, key, "resolution_met")
        state.resolution = {"at": event.at.isoformat(), "key": list(key), "seconds": took, "met": met}
        state.rating, state.confirmed, state.open = None, False, False

    def confirmed(self, event: Happened) -> None:
        state, given = self.state, event.data["rating"]
        state.confirmed = True
        held = state.resolution
        if held is None:
            return
        key, resolved_at = Key(*held["key"]), dt.datetime.fromisoformat(held["at"])
        if (said := state.rating) is not None:
            self.count(dt.datetime.fromisoformat(said["at"]), key, f"rated_{said['rating']}", -1)
            self.count(resolved_at, key, "resolved_rated", -1)
            state.rating = None
        if given is not None:
            self.count(event.at, key, f"rated_{given}")
            self.count(resolved_at, key, "resolved_rated")
            state.rating = {"at": event.at.isoformat(), "rating": given}

    def reopened(self, event: Happened) -> None:
        state = self.state
        state.open = True
        held, state.resolution = state.resolution, None
        if held is None:
            return
        if not state.confirmed:
            self.count(event.at, state.key(), "reopened")
        key, at = Key(*held["key"]), dt.datetime.fromisoformat(held["at"])
        self.count(at, key, "resolved", -1)
        self.undo(at, key, "resolution_seconds", held["seconds"])
        if held["met"]:
            self.count(at, key, "resolution_met", -1)
        if state.rating is not None:  # the rating was given, but what it was given for no longer counts
            self.count(at, key, "resolved_rated", -1)
            state.rating = None

    def closed(self, event: Happened) -> None:
        spans = self.state.pending
        if spans and spans[-1][1] is None:
            spans[-1][1] = event.at.isoformat()
        self.state.open = False

    def merged(self, event: Happened) -> None:
        if not event.data["took_in"]:  # what went into another is closed by that
            self.closed(event)
        elif (by_id := event.data.get("answered_by_id")) and self.about.first_responded_at is not None:
            self.first_answered(event, self.about.first_responded_at, by_id)

    def missed(self, event: Happened) -> None:
        target = event.data["target"]
        self.state.breached.append(target)
        self.count(event.at, self.state.key(), f"{target.lower()}_breached")

    def escalated(self, event: Happened) -> None:
        self.count(event.at, self.state.key(), LEVELS[event.data["level"]])


_APPLY: dict[str, Callable[[_Fold, Happened], None]] = {
    "TicketSubmitted": _Fold.submitted,
    "TicketRouted": _Fold.routed,
    "TicketAssigned": _Fold.assigned,
    "CategoryChanged": _Fold.recategorised,
    "PriorityChanged": _Fold.prioritised,
    "RequesterChanged": _Fold.handed_over,
    "CommentAdded": _Fold.commented,
    "StatusChanged": _Fold.moved,
    "TicketResolved": _Fold.resolved,
    "ResolutionConfirmed": _Fold.confirmed,
    "TicketReopened": _Fold.reopened,
    "TicketClosed": _Fold.closed,
    "TicketMerged": _Fold.merged,
    "SlaBreached": _Fold.missed,
    "TicketEscalated": _Fold.escalated,
}
KINDS = frozenset(_APPLY)
# After these a ticket counts for what it did before, and is open if it was.
_STAYING = frozenset({"CommentAdded", "ResolutionConfirmed", "SlaBreached", "TicketEscalated", "StatusChanged"})
_RANKS = {priority.name: priority.value for priority in TicketPriority}


def quarter(at: dt.datetime) -> dt.datetime:
    """The beginning of the quarter of an hour of an instant in UTC."""
    return at.replace(minute=at.minute - at.minute % QUARTER, second=0, microsecond=0)


Row = tuple[dt.datetime, str, str, str, int, str, int | None, int]


def rows_of(found: Iterable[Counted]) -> Iterator[Row]:
    """The facts as rows, in the order of the columns: a duration is one, and one more in its bucket."""
    for at, (department_id, agent_id, category_id, priority), measure, amount, drawn, undone in found:
        key = (quarter(at), department_id, agent_id or _NOBODY, category_id, _RANKS[priority], measure)
        yield (*key, None, amount)
        if drawn is not None:
            yield (*key, drawn, -1 if undone else 1)
