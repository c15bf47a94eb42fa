"""The guides name what there is: operations that the schema knows, and files that are there."""

import re
from pathlib import Path

import graphql
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
SCHEMA = graphql.build_schema((ROOT / "schema/schema.graphql").read_text())


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_what_a_guide_links_to_is_there(guide):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", guide.read_text()):
        assert (guide.parent / target).exists(), target


@pytest.mark.parametrize("guide", [guide for guide in GUIDES if guide.parent.name == "docs"], ids=lambda g: g.name)
def test_what_a_guide_asks_can_be_asked(guide):
    for text in re.findall(r"```graphql\n([^`]*)```", guide.read_text()):
        assert graphql.validate(SCHEMA, graphql.parse(text)) == []


def test_the_operations_of_a_guide_are_in_the_schema():
    known = {name for type_ in SCHEMA.type_map.values() for name in getattr(type_, "fields", {})}
    known |= set(SCHEMA.type_map) | {
        argument for type_ in SCHEMA.type_map.values() for field in getattr(type_, "fields", {}).values()
        for argument in getattr(field, "args", {})
    }  # fmt: skip
    named = set(re.findall(r"`([a-z]+[A-Z][A-Za-z]+)`", (ROOT / "docs/front-ends.md").read_text()))
    assert len(named) >= 15
    assert named <= known
