"""How a field says what it reads: the decorators and markers for types, arguments and payloads.

A build is a function that returns SQL. At a root it is called as `build(viewer, **arguments)`, in a type as
`build(row, viewer, **arguments)`, where `row` stands for the row of the type's model. Scalar arguments and the viewer's
ids are bind parameters; nulls, booleans, enums, sizes of pages and the models that ids name are plain.
A build may raise a refusal, which becomes the field's error. It must say the same whenever it is given the same, since
what it returns is kept for other operations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, Union
from uuid import UUID

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY
from strawberry.types.arguments import StrawberryArgumentAnnotation

from planner.nodes import NodeId
from planner.pages import LARGEST_PAGE, PAGING, SIZES
from planner.scalars import SCALARS

Build = Callable[..., Any]
Item = TypeVar("Item")
DECLARED, LIMITS = "planned", "limits"  # keys in the metadata of fields, and of arguments and input fields
MOST = "most"  # key in the metadata of a list of objects without pages: how many there may be
OWN = frozenset({"page", "told"})  # parameters of builds that the planner gives
DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF  # key of Strawberry's definition in graphql-core's extensions

# What every schema with planned fields is made with.
CONFIG = StrawberryConfig(scalar_map={**SCALARS, NodeId: DEFAULT_SCALAR_REGISTRY[strawberry.ID]})


if TYPE_CHECKING:
    Payload = Union[UUID, Item]  # noqa: UP007 - `|` makes no generic alias
else:

    class Payload:
        """In an annotation, what a payload field looks like in the API; to a type checker also the key it holds."""

        def __class_getitem__(cls, item: Any) -> Any:
            return item


class Declared(NamedTuple):
    """What a field says about how it is read."""

    build: Build | None = None
    nested: bool = False
    paged: bool = False
    column: str | None = None
    payload: bool = False
    live: bool = False
    told: bool = False


class Limits(NamedTuple):
    """What the real values of an argument must keep to, and what of them is plain."""

    least: int | None = None
    most: int | None = None
    check: Callable[[Any], str | None] | None = None
    plain: bool | Callable[[Any], Hashable] = False


class Classified(NamedTuple):
    """An argument of which a class is plain: the class, and the bind parameter."""

    kind: Any
    value: Any


class Computed:
    """A value that SQL can't say: a function of columns' values, called for each row after the statement.

    The values are what JSON has of them: texts, numbers, booleans, None; an id is its text. An object, or a list of
    them, is Python's, with an attribute for each field that may be selected.
    """

    __slots__ = ("columns", "function")

    def __init__(self, function: Callable[..., Any], *columns: Any) -> None:
        """`function`: of what the engine was given for it and the columns' values, gives the value or None."""
        self.function, self.columns = function, columns


class Later:
    """What a field of the query type answers to arguments that lie in a row, asked once the row is known.

    They shape a plan of their own, as if the client had sent them as variables, so that the field is read as it is at
    the root. `arguments`: by their names in the API, expressions that give JSON or NULL; the rest, such as the part of
    a page, are those of the field itself, which is of the same type.
    """

    __slots__ = ("arguments", "field")

    def __init__(self, field: str, **arguments: Any) -> None:
        """`field`: its name in the API."""
        self.field, self.arguments = field, arguments


class When(NamedTuple):
    """A value that is null unless the condition, an SQL expression, holds."""

    condition: Any
    value: Any


def argument(
    description: str,
    *,
    least: int | None = None,
    most: int | None = None,
    check: Callable[[Any], str | None] | None = None,
    plain: bool | Callable[[Any], Hashable] = False,
    name: str | None = None,
) -> StrawberryArgumentAnnotation:
    """What a build says of an argument, within Annotated[str, …].

    `least`, `most`: of a number its range, of a text or list its length. `check`: says what is wrong with a value, or
    None. All three run on the real values at each request; a value that fails is refused with BAD_REQUEST.
    `plain=True`: the build is given the value itself, and a plan is made for each value, so there must be few.
    `plain=function`: the build is given Classified: what the function says of the value, and the bind parameter.
    """
    limits = Limits(least, most, check, plain)
    return strawberry.argument(description=description, name=name, metadata={LIMITS: limits})


def input_field(
    description: str,
    *,
    least: int | None = None,
    most: int | None = None,
    check: Callable[[Any], str | None] | None = None,
    plain: bool | Callable[[Any], Hashable] = False,
    name: str | None = None,
) -> Any:
    """Describes a field of an input, which may be left out. The rest is as for `argument`."""
    limits = Limits(least, most, check, plain)
    return strawberry.field(description=description, default=strawberry.UNSET, name=name, metadata={LIMITS: limits})


def attribute(description: str, *, column: str | None = None, name: str | None = None) -> Any:
    """A field that reads the model's column or relationship of its own name, or of the name `column`."""
    return strawberry.field(description=description, name=name, metadata={DECLARED: Declared(column=column)})


def planned(description: str, *, name: str | None = None, most: int | None = None) -> Callable[[Build], Any]:
    """Declares a field by how it is read; the build's parameters and result say how it looks in the API.

    A build returns a Select of an entity or of labelled columns, a relationship, a column expression, a Page, a list
    of Selects or OneOf (the first row that exists counts), NodeIds.each(…), When, Computed, Later, None, a plain value,
    or an object whose attributes are plain values or expressions. A CTE that speaks of the row needs `nesting=True`,
    since SQLAlchemy moves others to the top of the statement, where there is no row.

    `most`: of a list of objects without pages how many there may be, for what the operation costs; not said, 10.
    A field that Python resolves says it with `metadata={MOST: …}`.
    """

    def declare(build: Build) -> Any:
        return declared_field(build, description, name, live=False, most=most)

    return declare


def computed(description: str, *, most: int | None = None) -> Callable[[Build], Any]:
    """Declares a field that SQL can't say, whose build returns Computed. `most`: as for `planned`."""
    return planned(description, most=most)


def payload(description: str, build: Build, *, most: int | None = None) -> Any:
    """A field of a mutation's answer: the object holds a key, and the field reads what `build(viewer, key)` selects.

    Where the field is a list, the object holds keys, and the answer has their order; what can't be seen is null, or
    left out where the field's items can't be null. Where the object holds None, the field is null.
    `most`: as for `planned`.
    """
    metadata = {DECLARED: Declared(build=build, payload=True), MOST: most}
    return strawberry.field(description=description, metadata=metadata)


def declared_field(build: Build, description: str, name: str | None, *, live: bool, most: int | None = None) -> Any:
    """The Strawberry field of a build."""
    signature = inspect.signature(build)
    given = list(signature.parameters.values())
    nested, paged = given[0].name != "viewer", "page" in signature.parameters
    parameters = [keyword(p.name, p.annotation, p.default) for p in given[1 + nested :] if p.name not in OWN]
    if paged:
        parameters += [
            keyword(name_, Annotated[hint, paging_argument(name_, text)], strawberry.UNSET)
            for name_, (hint, text) in PAGING.items()
        ]

    def resolver(self: Any, **arguments: Any) -> Any:
        raise NotImplementedError("A planned field is answered by the engine that was made for its schema.")

    async def source(self: Any, **arguments: Any) -> Any:  # noqa: ARG001 - Strawberry reads them below
        raise NotImplementedError("A subscription is answered by the engine that was made for its schema.")
        yield  # never, but that makes it what Strawberry takes for a subscription

    # Strawberry reads these, and resolves the annotations when the schema is built.
    function: Any = source if live else resolver
    function.__name__, function.__qualname__, function.__module__ = build.__name__, build.__qualname__, build.__module__
    function.__doc__ = build.__doc__
    function.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": signature.return_annotation}
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    function.__signature__ = inspect.Signature([this, *parameters], return_annotation=signature.return_annotation)
    told = "told" in signature.parameters
    metadata = {DECLARED: Declared(build=build, nested=nested, paged=paged, live=live, told=told), MOST: most}
    declare = strawberry.subscription if live else strawberry.field
    return declare(resolver=function, description=description, name=name, metadata=metadata)


def paging_argument(name: str, description: str) -> StrawberryArgumentAnnotation:
    """An argument of a page: sizes are plain, since PostgreSQL plans badly for a LIMIT that it doesn't know."""
    if name in SIZES:
        return argument(description, least=1, most=LARGEST_PAGE, plain=True)
    return argument(description)


def keyword(name: str, hint: Any, default: Any) -> inspect.Parameter:
    """A parameter as Strawberry reads it. A default of None is the build's own affair and isn't printed."""
    default = strawberry.UNSET if default is None else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
