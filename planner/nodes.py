"""Global ids, and which rows a GraphQL type reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

import strawberry
from sqlalchemy import Select

from infra.ids import parsed
from planner.errors import BadRequest

Type = TypeVar("Type", bound=type)

MOST_IDS = 100


class Stored(NamedTuple):
    """Which rows a GraphQL type reads; `kind` where a table holds several types; no prefix where it has no id.

    `changed`: the attribute that tells when a row last changed, where processes keep cards of the rows.
    """

    model: type
    prefix: str | None
    kind: str | None
    name: str
    changed: str | None


STORED: dict[type, Stored] = {}  # by the Python class of the GraphQL type
MODELS: dict[str, type] = {}  # of Nodes, by the prefix of their ids
NOUNS: dict[type, str] = {}  # what a model is called in messages


def stored(
    model: type, prefix: str | None, kind: str | None = None, *, node: bool = True, cards: str | None = None
) -> Callable[[Type], Type]:
    """Says, above @strawberry.type, which model's rows a GraphQL type reads.

    `kind`: the value of the model's column `kind` for this type, where one table holds several types.
    `node=False`: its ids can't be looked up by `node(id:)`, though they may have a prefix.
    `cards`: the attribute of the model that tells when a row last changed. Then its columns are read where a
    relationship leads to it not from the row, but from what the process keeps, which is at most a second old.
    """

    def register(type_: Type) -> Type:
        STORED[type_] = Stored(model, prefix, kind, type_.__name__, cards)
        if node and prefix is not None:
            if MODELS.setdefault(prefix, model) is not model:
                raise ValueError(f"Two models have ids that begin with {prefix}_")
            NOUNS.setdefault(model, type_.__name__)
        return type_

    return register


def model_of(text: str) -> type | None:
    """The model that an id's prefix names; None when it names none."""
    return MODELS.get(text.partition("_")[0])


def key_of(text: str) -> UUID:
    """The key within an id, whatever its prefix. Raises BadRequest when there is none."""
    key = text.partition("_")[2]
    try:
        value = parsed(key)
    except ValueError:
        value = None
    if value is None or str(value) != key:  # one id has one spelling
        raise BadRequest("This is not an id.")
    return value


def parse_id(text: str, model: type) -> UUID:
    """The key of an id that a mutation was given. Raises BadRequest when it isn't an id of this model."""
    if model_of(text) is not model:
        raise BadRequest(f"This is not the id of {a_noun(model)}.")
    return key_of(text)


def global_id(model: type, key: UUID) -> str:
    """The id of a Node as clients know it. Raises KeyError for a model without ids."""
    return f"{prefix_of(model)}_{key}"


def prefix_of(model: type) -> str:
    """What the ids of a model begin with. Raises KeyError for a model without ids."""
    for prefix, owner in MODELS.items():
        if owner is model:
            return prefix
    raise KeyError(model)


def a_noun(model: type) -> str:
    """What a model is called in messages, with its article."""
    noun = NOUNS.get(model, model.__name__)
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"


class NodeId:
    """A global id, such as tkt_0193…: what its prefix names is plain, its key is a bind parameter.

    As an annotation of an argument, or of a field of an input, it prints as ID.
    """

    __slots__ = ("key", "model")

    def __init__(self, model: type | None, key: Any) -> None:
        """`model`: what the prefix names, None when unknown. `key`: the bind parameter."""
        self.model, self.key = model, key

    def of(self, model: type) -> Any:
        """The key, when this is an id of the model. Raises BadRequest otherwise."""
        if self.model is not model:
            raise BadRequest(f"This is not the id of {a_noun(model)}.")
        return self.key


class ManyIds:
    """Global ids in their order: the models that are named are plain, the keys are bind parameters."""

    __slots__ = ("arrays", "models")

    def __init__(self, models: frozenset[type | None], arrays: Mapping[type | None, Any]) -> None:
        """`models`: what the prefixes name. `arrays`: of each model the keys, an array as long as the list of ids,
        NULL where the id is another's.
        """
        self.models, self.arrays = models, arrays

    def of(self, model: type) -> Any:
        """The keys as an array, for `= ANY`. Raises BadRequest when one is not an id of this model."""
        if self.models - {model}:
            raise BadRequest(f"One of these is not the id of {a_noun(model)}.")
        return self.arrays[model]

    def each(self, selects: Mapping[type, Callable[[Any], Select[Any]]]) -> Each:
        """For each id in its order what the function of its model selects by key; null where that finds nothing."""
        return Each(self, selects)


class Each(NamedTuple):
    """One answer for each of many ids, in their order."""

    ids: ManyIds
    selects: Mapping[type, Callable[[Any], Select[Any]]]


if TYPE_CHECKING:
    NodeIds = ManyIds
else:
    NodeIds = list[NodeId]  # what Strawberry prints as [ID!]; a build is given ManyIds


class IdOf(NamedTuple):
    """The id of a Node, for a field of type ID that names another object: its model, and an expression for its key."""

    model: type
    key: Any


class OneOf:
    """For a union or interface over several tables: the first of these that finds a row."""

    __slots__ = ("selects",)

    def __init__(self, selects: Mapping[type, Select[Any]]) -> None:
        """`selects`: by model, in the order in which they are tried."""
        self.selects = list(selects.values())


@strawberry.interface(description="Something that can be fetched again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Opaque global id: unique among all types, never changes, not to be taken apart."
    )
