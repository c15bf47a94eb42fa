"""What Python computed, made into what is selected of it."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import graphql

from planner.documents import declared_of
from planner.fields import DEFINITION
from planner.selection import Selecting, Selections, selections

Shape = Callable[[Any], Any]


def shaping(walk: Selecting, type_: Any, inner: Selections) -> Shape:
    """Makes of a value what JSON has of it: of an object with attributes, a dict of what is selected."""
    nullable = graphql.get_nullable_type(type_)
    if graphql.is_list_type(nullable):
        item = shaping(walk, nullable.of_type, inner)
        return lambda values: None if values is None else [item(value) for value in values]
    if graphql.is_leaf_type(nullable):
        return lambda value: None if value is None else nullable.coerce_output_value(value)
    fields: list[tuple[str, Callable[[Any], Any], Shape]] = []
    for key, nodes in walk.collect(nullable, inner).items():
        name = nodes[0].name.value
        if name == "__typename":
            fields.append((key, lambda _: nullable.name, lambda value: value))
            continue
        field = nullable.fields[name]
        declared = declared_of(field)
        if declared is None or declared.build is not None:
            raise TypeError(f"{nullable.name}.{name} is no attribute of what Python computed")
        find = attrgetter(declared.column or field.extensions[DEFINITION].python_name)
        fields.append((key, find, shaping(walk, field.type, selections(nodes))))
    return lambda value: None if value is None else {key: shape(find(value)) for key, find, shape in fields}
