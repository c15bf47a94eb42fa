"""Inputs that fit the schema, for tests that go through all mutations."""

import graphql

from planner.fields import DEFINITION

PLAIN = {"String": "words", "Int": 1, "Boolean": True, "Float": 1.0}
PLAIN |= {"DateTime": "2026-01-01T00:00:00Z", "Date": "2026-12-24", "LocalTime": "09:00"}


def value_of(type_, ids, path="input"):
    """A value that fits the type, with these ids where something is named: by the field, or by `other` of its name."""
    if graphql.is_wrapping_type(type_):
        found = value_of(type_.of_type, ids, path)
        return [found] if graphql.is_list_type(type_) else found
    if graphql.is_enum_type(type_):
        return next(iter(type_.values))
    if graphql.is_input_object_type(type_):
        if type_.extensions[DEFINITION].is_one_of:  # Strawberry's: of graphql-core's own mark it says nothing
            (name, field), *_ = type_.fields.items()
            return {name: value_of(field.type, ids, name)}
        return {
            name: value_of(field.type, ids, name)
            for name, field in type_.fields.items()
            if name in ids or graphql.is_required_input_field(field)
        }
    if type_.name == "ID":
        return ids.get(path) or ids["other"](path)
    return ids.get(path) or PLAIN.get(type_.name, "words")
