"""What lives long is not looked at by each collection, and what of it ends in a circle is found in the end."""

import gc
import weakref

import pytest

from infra import garbage


class Thing:
    """Something that may point to itself."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def spared(monkeypatch):
    """As a process of its own is; undone afterwards."""
    thresholds = gc.get_threshold()
    monkeypatch.setattr(garbage, "LONGEST_SECONDS", 0)
    garbage.spare()
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = [each for each in gc.callbacks if not isinstance(each, garbage.Sparing)]
    gc.unfreeze()


def test_what_lives_for_ever_is_not_looked_at_by_each_collection(spared):
    assert gc.get_freeze_count() > 50_000
    assert gc.get_threshold() == garbage.THRESHOLDS


def test_what_outlives_a_long_look_is_not_looked_at_again(spared):
    things = [Thing() for _ in range(1000)]
    before = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() >= before + len(things)
    assert len(gc.get_objects()) < 1000


def test_a_short_look_leaves_all_as_it_is(spared, monkeypatch):
    monkeypatch.setattr(garbage, "LONGEST_SECONDS", 60)
    things = [Thing() for _ in range(1000)]
    before = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() <= before
    assert len(things) == 1000


def test_all_is_looked_at_once_the_process_has_grown(spared, monkeypatch):
    thing = Thing()
    gone = weakref.ref(thing)
    gc.collect()
    del thing
    gc.collect()
    assert gone() is not None, "It was to be left alone."
    monkeypatch.setattr(garbage, "GROWTH", 0.5)  # as if it held much more than at first
    gc.collect()  # says that it has grown
    gc.collect()
    assert gone() is None


def test_it_begins_once(spared):
    garbage.spare()
    assert sum(isinstance(each, garbage.Sparing) for each in gc.callbacks) == 1
