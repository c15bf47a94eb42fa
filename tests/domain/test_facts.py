"""Of which events figures come."""

from domain import happenings
from domain.metrics import facts


def test_what_the_fold_knows_is_what_is_counted():
    assert {name for name, kind in happenings.KINDS.items() if kind.counted} == facts.KINDS
