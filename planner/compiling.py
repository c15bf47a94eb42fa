"""What the planner writes of a statement itself, and how the whole is compiled to what asyncpg sends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, PGDialect_asyncpg
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause
from sqlalchemy.types import TypeEngine

SELECTED = "SELECT ", " AS found"
PARAMETER_SIGN = re.compile("\0(\\d+)\0")
PARAMETERS = re.compile(r"""'[^']*'|"[^"]*"|\$(\d+)""")  # and what they do not stand in


class Asked(BindParameter[Any]):
    """A parameter of the statement that each request gives anew."""

    inherit_cache = False

    def __init__(self, name: str, type_: TypeEngine[Any]) -> None:
        """`name`: unique in the statement."""
        super().__init__(name, None, type_=type_, required=False)


class Written(ColumnElement[str]):
    """SQL that gives text, written already but for SQLAlchemy's elements in its gaps.

    Most of a statement is such text: what SQLAlchemy is not asked to make, check and write costs next to nothing, and
    so a new operation is planned soon. Nothing of what a request asks may stand in it.
    """

    __visit_name__ = "written"
    inherit_cache = False
    type: TypeEngine[str] = sa.Text()

    def __init__(self, *pieces: str | ClauseElement) -> None:
        """`pieces`: SQL, and elements, which are not put in parentheses."""
        self.texts: list[str] = []  # one more than elements, which stand between them
        self.elements: list[ClauseElement] = []
        text: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                text.append(piece)
            elif isinstance(piece, Written):
                first, *others = piece.texts
                text.append(first)
                if others:
                    self.texts += ["".join(text), *others[:-1]]
                    text = others[-1:]
                    self.elements += piece.elements
            elif isinstance(piece, ColumnClause) and piece.is_literal:
                text.append(piece.name)
            else:
                self.texts.append("".join(text))
                text = []
                self.elements.append(piece)
        self.texts.append("".join(text))

    @property
    def is_open(self) -> bool:
        """Whether SQLAlchemy has yet to write something of it other than parameters."""
        return any(not isinstance(each, BindParameter) for each in self.elements)

    @property
    def weight(self) -> int:
        """About how much memory this takes, in bytes."""
        return sum(map(len, self.texts))

    def replaced(self, sign: str, text: str) -> Written:
        """The same with a text for a sign, wherever that stands in what is written."""
        found = Written()
        found.texts, found.elements = [each.replace(sign, text) for each in self.texts], self.elements
        return found


class Compiler(PGCompiler_asyncpg):
    """Writes constants into the statement, where they help to plan it, and leaves what is asked as parameters."""

    def visit_bindparam(self, bindparam: BindParameter[Any], *args: Any, **options: Any) -> str:
        """A parameter, or a constant as a literal where its type has literals."""
        if not isinstance(bindparam, Asked) and bindparam.value is not None and bindparam.callable is None:
            try:
                return self.parameter(bindparam, *args, **{**options, "literal_binds": True})
            except (CompileError, NotImplementedError):
                pass
        return self.parameter(bindparam, *args, **options)

    def visit_select(self, select_stmt: Any, *args: Any, **options: Any) -> str:
        """A SELECT, of which the ORM need do nothing where it names tables by their columns alone: a third of its cost.

        The ORM has no part in what comes of it anyway, since rows are text.
        """
        if select_stmt._propagate_attrs and not select_stmt._setup_joins and not select_stmt._with_options:  # noqa: SLF001 - no public way
            select_stmt = select_stmt._clone()  # noqa: SLF001 - as above
            select_stmt._propagate_attrs = {}  # noqa: SLF001 - as above
        return str(super().visit_select(select_stmt, *args, **options))  # type: ignore[no-untyped-call] # SQLAlchemy's

    def visit_written(self, written: Written, **_options: Any) -> str:
        """The text, with what stands in its gaps."""
        pieces = written.texts[:1]
        for each, text in zip(written.elements, written.texts[1:], strict=True):
            found = self.process(each, asfrom=True) if isinstance(each, FromClause) else self.process(each)
            pieces += [found, text]
        return "".join(pieces)

    def parameter(self, *args: Any, **options: Any) -> str:
        """As SQLAlchemy writes it."""
        return str(super().visit_bindparam(*args, **options))  # type: ignore[no-untyped-call] # SQLAlchemy's own


class Dialect(PGDialect_asyncpg):
    """PostgreSQL, as the planner writes for it."""

    statement_compiler = Compiler
    supports_statement_cache = False


DIALECT: Any = Dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own


class Resolving(Compiler):
    """Writes a sign for each parameter, and keeps them in the order of their numbers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As SQLAlchemy's."""
        self.parameters: list[BindParameter[Any]] = []
        super().__init__(*args, **options)

    def parameter(self, bindparam: BindParameter[Any], *args: Any, **options: Any) -> str:
        """A constant as a literal; for anything else a sign."""
        if options.get("literal_binds"):
            return super().parameter(bindparam, *args, **options)
        self.parameters.append(bindparam)
        return f"\0{len(self.parameters) - 1}\0"


class Statement(NamedTuple):
    """SQL text, its arguments with gaps, and which of the asked values go into which gap."""

    sql: str
    template: tuple[Any, ...]
    places: tuple[tuple[int, int], ...]

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        """The arguments for $1, $2, … out of the asked values."""
        arguments = list(self.template)
        for place, value in self.places:
            arguments[place] = values[value]
        return arguments


def compiled(statement: Select[Any], asked: Iterable[str]) -> tuple[Statement, list[str]]:
    """The text that asyncpg is given, and which parameters of those `asked` it needs, in the order of their values."""
    # asyncpg gets the text directly, so what SQLAlchemy does to values (names of enums, lists of IN) is done here.
    compiler: Any = statement.compile(dialect=DIALECT)
    state = compiler.construct_expanded_state()
    names = list(dict.fromkeys(state.positiontup))
    needed = [name for name in asked if name in names]
    index = {name: number for number, name in enumerate(needed)}
    template = tuple(
        None if name in index else state.processors.get(name, lambda value: value)(state.parameters[name])
        for name in names
    )
    places = tuple((place, index[name]) for place, name in enumerate(names) if name in index)
    return Statement(state.statement, template, places), needed


def text_of(expression: ColumnElement[str]) -> str:
    """The SQL of an expression that holds no parameter."""
    compiler: Any = expression.compile(dialect=DIALECT)
    if compiler.positiontup:
        raise TypeError(f"It holds parameters: {compiler}")
    return str(compiler)


def resolved(written: Written) -> Written:
    """The same with no gaps but for parameters; unchanged where something of it belongs at the top of a statement."""
    if not written.is_open:
        return written
    compiler: Any = Resolving(DIALECT, sa.select(written.label("found")))
    if not compiler.string.startswith(SELECTED[0]):
        return written
    pieces = PARAMETER_SIGN.split(compiler.string.removeprefix(SELECTED[0]).removesuffix(SELECTED[1]))
    return Written(*(compiler.parameters[int(each)] if n % 2 else each for n, each in enumerate(pieces)))


def for_many(one: Statement, types: Sequence[TypeEngine[Any]]) -> Statement:
    """The same for many requests, a row for each in their order; it is given an array of each value.

    Made of the text, where columns of `b` take the parameters' places, since compiling it again takes as long again.
    """
    asked = dict(one.places)
    constants = [place for place in range(len(one.template)) if place not in asked]
    numbers = {place: number for number, place in enumerate(constants, 1)}

    def renamed(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        place = int(found[1]) - 1
        return f"b.v{asked[place]}" if place in asked else f"${numbers[place]}"

    names = [DIALECT.type_compiler_instance.process(type_) for type_ in types]
    arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(names, len(constants) + 1))
    columns = ", ".join(f"v{number}" for number in range(len(types)))
    requests = f"unnest({arrays}) WITH ORDINALITY AS b({columns}, place)"
    text = f"{PARAMETERS.sub(renamed, one.sql)} FROM {requests} ORDER BY b.place"
    template = (*(one.template[place] for place in constants), *(None for _ in types))
    return Statement(text, template, tuple((len(constants) + number, number) for number in range(len(types))))
