"""How much of this process one person may have at once, so that none takes what the others need."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from infra.settings import Settings
from schema.context import Context


class TooMany(Exception):
    """One person has as much as they may; the message is for them."""

    code = "RATE_LIMITED"


def whose(context: Context) -> Hashable:
    """To whose share something counts: a person's, or of all who are not signed in and come from one address."""
    return context.network if context.viewer.role is None else context.viewer.id


class Share:
    """Of one kind of thing, so many for each."""

    def __init__(self, most: int, what: str) -> None:
        """`what`: as it is told."""
        self._most, self._what = most, what
        self._taken: Counter[Hashable] = Counter()

    def take(self, by: Hashable) -> None:
        """One more, until it is given back. Raises TooMany."""
        if self._taken[by] >= self._most:
            raise TooMany(f"At most {self._most} {self._what} of one person are served at once.")
        self._taken[by] += 1

    def give_back(self, by: Hashable) -> None:
        """One less."""
        self._taken[by] -= 1
        if not self._taken[by]:
            del self._taken[by]

    @contextmanager
    def taken(self, by: Hashable) -> Iterator[None]:
        """One more, until the block ends. Raises TooMany."""
        self.take(by)
        try:
            yield
        finally:
            self.give_back(by)


class Shares:
    """What is shared out."""

    def __init__(self, settings: Settings) -> None:
        self.connections = Share(settings.max_connections_per_person, "sockets and event streams")
        self.operations = Share(settings.max_operations_per_person, "operations")
