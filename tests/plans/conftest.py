"""What tests of plans share: a large desk, who asks there, and its statements explained."""

from large_desk import large, people, plans

__all__ = ["large", "people", "plans"]
