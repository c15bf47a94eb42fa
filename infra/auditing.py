"""What a unit of work leaves in the audit log: found from the rows that it writes, whoever writes them."""

import datetime as dt
import enum
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from infra.rows import State, table_of
from infra.writing import Verb
from models import Base
from models.audit import AUDITED, UNTOLD, Audited

MOST_CHANGES = 100
OPERATOR = "deskwire"  # the action of what neither a request nor a job does: a command of whoever operates the desk


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose behalf units are opened: what is being done, by whom and from where; None: by Deskwire itself."""

    action: str
    actor_id: UUID | None = None
    network: str | None = None


_acting: ContextVar[Acting] = ContextVar("acting", default=Acting(OPERATOR))  # noqa: B039 # it is frozen


class acting:  # noqa: N801 # it reads as what it does; made of a generator it would cost twice as much
    """Whatever is written within the block is done so."""

    __slots__ = ("_by", "_token")

    def __init__(self, action: str, actor_id: UUID | None = None, network: str | None = None) -> None:
        self._by = Acting(action, actor_id, network)

    def __enter__(self) -> None:
        self._token = _acting.set(self._by)

    def __exit__(self, *_: object) -> None:
        _acting.reset(self._token)


@dataclass(slots=True)
class Entry:
    """What is to be said of one subject."""

    table: str | None
    key: UUID | None
    sentence: str
    named: bool = False  # whether the sentence is of the subject itself, not of what belongs to it
    changes: list[dict[str, str | None]] = field(default_factory=list)


class Trail:
    """What one unit has done so far that belongs in the log. `action` and `actor_id` may be told better later."""

    def __init__(self) -> None:
        by = _acting.get()
        self.action, self.actor_id, self.network = by.action, by.actor_id, by.network
        self.summary: str | None = None  # instead of what the rows say
        self._entries: dict[tuple[str | None, UUID | None], Entry] = {}

    def about(self, table: str | None, key: UUID | None, sentence: str) -> None:
        """Have an entry about this subject, though no row of it changed."""
        self._entries.setdefault((table, key), Entry(table, key, sentence))

    def mark(self) -> dict[Any, tuple[Entry, str, bool, int]]:
        """Where it stands, for `back_to`."""
        return {key: (entry, entry.sentence, entry.named, len(entry.changes)) for key, entry in self._entries.items()}

    def back_to(self, mark: dict[Any, tuple[Entry, str, bool, int]]) -> None:
        """Forget what was noted since."""
        self._entries = {}
        for key, (entry, sentence, named, count) in mark.items():
            entry.sentence, entry.named = sentence, named
            del entry.changes[count:]
            self._entries[key] = entry

    def note(self, verb: Verb, state: State) -> None:
        """This is about to be done to the row."""
        audited = AUDITED.get(state.model)
        if audited is None or (verb is Verb.INSERT and audited.made is None):
            return
        changes = [
            {"field": _camel(column), "before": None, "after": None}
            if column in audited.secret
            else {"field": _camel(column), "before": _text(before), "after": _text(after)}
            for column, before, after in _values(verb, state)
            if before != after
            and column not in UNTOLD | audited.silent
            and not (audited.of and column == audited.of[0])
        ]
        if not changes and verb is Verb.CHANGE:
            return
        model, column = (audited.of[1], audited.of[0]) if audited.of else (state.model, "id")
        table, key = table_of(model).name, state.values[column]
        entry = self._entries.get((table, key))
        if entry is None or (audited.of is None and not entry.named):
            sentence = _sentence(verb, audited, state, changes)
            earlier = entry.changes if entry else []
            entry = self._entries[table, key] = Entry(table, key, sentence, audited.of is None, earlier)
        entry.changes += changes

    def entries(self, now: dt.datetime) -> list[dict[str, Any]]:
        """The values of the entries to be written; from here on there are none."""
        found, self._entries = self._entries, {}
        return [
            {
                "at": now,
                "actor_id": self.actor_id,
                "action": self.action,
                "subject_table": entry.table,
                "subject_id": entry.key,
                "summary": self.summary or entry.sentence,
                "changes": entry.changes[:MOST_CHANGES],
                "ip_address": self.network or None,
            }
            for entry in found.values()
        ]


def _values(verb: Verb, state: State) -> Iterator[tuple[str, Any, Any]]:
    """The columns that are written, with what stands there before and after."""
    if verb is Verb.INSERT:
        yield from ((column, None, value) for column, value in state.values.items())
    elif verb is Verb.DELETE:
        yield from ((column, state.stored(column), None) for column in state.values.keys())  # noqa: SIM118 # a record
    else:
        yield from ((column, state.stored(column), value) for column, value in state.changes.items())


def _sentence(verb: Verb, audited: Audited, state: State, changes: list[dict[str, str | None]]) -> str:
    said = {Verb.INSERT: audited.made, Verb.CHANGE: audited.changed, Verb.DELETE: audited.deleted}[verb]
    name = f" “{state.changes.get(audited.label, state.values[audited.label])}”" if audited.label else ""
    fields = ", ".join(str(change["field"]) for change in changes)
    return f"{said} {audited.noun}{name}: {fields}." if verb is Verb.CHANGE else f"{said} {audited.noun}{name}."


def _camel(column: str) -> str:
    first, *others = column.split("_")
    return first + "".join(word.capitalize() for word in others)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    return str(value)


def table_name(model: type[Base]) -> str:
    """What an entry calls the table of a subject of this model."""
    return table_of(model).name
