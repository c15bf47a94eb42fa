"""What a ticket is, told from its history alone: each kind of event, and what it does to the state."""

from collections.abc import Callable
from typing import Any

State = dict[str, Any]
EMPTY: State = {
    "status": None,
    "priority": None,
    "category_id": None,
    "department_id": None,
    "assignee_id": None,
    "requester_id": None,
    "service_id": None,
    "subject": None,
    "tags": set(),
    "resumes_at": None,
    "watchers": set(),
    "escalation_rank": 0,
    "triage_pending": None,
    "merged_into_id": None,
    "links": {},
    "comments": {},
    "comments_that_left": {},
    "resolution_id": None,
    "resolved_at": None,
    "closed_at": None,
    "rating": None,
    "policy_id": None,
    "breaches": [],
}
LEVELS = {"TEAM_LEAD": 1, "MANAGER": 2, "DIRECTOR": 3}


def _submitted(state: State, data: State, texts: State) -> None:
    state |= {name: data[f"initial_{name}"] for name in ("priority", "category_id", "requester_id", "service_id")}
    state |= {"status": "OPEN", "subject": texts["subject"], "tags": set(data["initial_tags"])}
    state["policy_id"] = data["initial_policy_id"]


def _sets(**names: str) -> Callable[[State, State, State], None]:
    """Each part of the state gets what the event tells under this name."""

    def apply(state: State, data: State, texts: State) -> None:
        state |= {part: (data | texts)[name] for part, name in names.items()}

    return apply


def _tags(state: State, data: State, _: State) -> None:
    state["tags"] = (state["tags"] | set(data["added_tags"])) - set(data["removed_tags"])


def _watchers(state: State, data: State, _: State) -> None:
    state["watchers"] = (state["watchers"] | set(data["added_watcher_ids"])) - set(data["removed_watcher_ids"])


def _comment(what: str) -> Callable[[State, State, State], None]:
    def apply(state: State, data: State, _: State) -> None:
        # A file that is taken back leaves the comment.
        if what != "deleted" or data["attachment_id"] is None:
            state["comments"] = state["comments"] | {data["comment_id"]: what}

    return apply


def _resolved(state: State, data: State, _: State) -> None:
    state |= {"status": "RESOLVED", "resolution_id": data["resolution_id"], "rating": None, "resumes_at": None}


def _confirmed(state: State, data: State, _: State) -> None:
    state |= {"rating": data["rating"]}


def _merged(state: State, data: State, _: State) -> None:
    if not data["took_in"]:
        state |= {
            "status": "CLOSED",
            "resumes_at": None,
            "merged_into_id": data["other_id"],
            "comments_that_left": state["comments"],
            "comments": {},
        }


def _linked(state: State, data: State, _: State) -> None:
    state["links"] = state["links"] | {data["other_id"]: data["link_kind"]}


def _unlinked(state: State, data: State, _: State) -> None:
    state["links"] = {other: kind for other, kind in state["links"].items() if other != data["other_id"]}


def _breached(state: State, data: State, _: State) -> None:
    state["breaches"] = [*state["breaches"], data["target"]]


def _nothing(_state: State, _data: State, _texts: State) -> None:
    pass


APPLY: dict[str, Callable[[State, State, State], None]] = {
    "TicketSubmitted": _submitted,
    "TicketRouted": _sets(department_id="to_department_id"),
    "TicketTriaged": _nothing,
    "TicketAssigned": _sets(assignee_id="to_assignee_id"),
    "CommentAdded": _comment("added"),
    "CommentEdited": _comment("edited"),
    "CommentDeleted": _comment("deleted"),
    "StatusChanged": _sets(status="to_status", resumes_at="resumes_at"),
    "PriorityChanged": _sets(priority="to_priority"),
    "CategoryChanged": _sets(category_id="to_category_id"),
    "SubjectChanged": _sets(subject="to_subject"),
    "ServiceChanged": _sets(service_id="to_service_id"),
    "RequesterChanged": _sets(requester_id="to_requester_id"),
    "TagsChanged": _tags,
    "WatchersChanged": _watchers,
    "SlaPolicyChanged": _sets(policy_id="to_policy_id"),
    "SlaBreached": _breached,
    "TicketEscalated": lambda state, data, _: state.update(escalation_rank=LEVELS[data["level"]]),
    "EscalationAcknowledged": _nothing,
    "EscalationEnded": lambda state, _data, _texts: state.update(escalation_rank=0),
    "TicketResolved": _resolved,
    "ResolutionConfirmed": _confirmed,
    "TicketReopened": lambda state, _data, _texts: state.update(status="OPEN"),
    "TicketClosed": lambda state, _data, _texts: state.update(status="CLOSED", resumes_at=None),
    "TicketMerged": _merged,
    "TicketLinked": _linked,
    "TicketUnlinked": _unlinked,
    "MessageSent": _nothing,
}


def replayed(ticket_id: str, histories: dict[str, list[dict[str, Any]]]) -> State:
    """The state of a ticket after its events, each given as `kind`, `data` and `texts`.

    `histories`: those of all tickets that it may have taken in as well.
    """
    state = dict(EMPTY)
    for event in histories[ticket_id]:
        APPLY[event["kind"]](state, event["data"], event["texts"])
        if event["kind"] == "TicketMerged" and event["data"]["took_in"]:
            taken_in = replayed(event["data"]["other_id"], histories)
            state["comments"] = state["comments"] | taken_in["comments_that_left"]
    return state
