"""Time zones, as the package tzdata has them: the same in every process, however old those of its machine are."""

import zoneinfo
from functools import lru_cache

# Governments change zones at a few weeks' notice. A machine's own are as old as its image, and would come first: the
# deadlines of two processes could then be an hour apart. The days of figures are PostgreSQL's, with zones of its own.
zoneinfo.reset_tzpath(())


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of this name. Raises ZoneInfoNotFoundError, ValueError or OSError when there is none."""
    return zoneinfo.ZoneInfo(name)


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """The time zones that there are."""
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def fault(name: str) -> str | None:
    """What is wrong with the name of a time zone; None when nothing is."""
    return None if name in names() else "This is not a time zone. Name one such as Europe/Berlin."
