"""URLs that may name several hosts, by commas."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

HOSTS: Final = re.compile(r"[^:/?#]+://(?:[^/?#]*@)?([^/?#]*)", re.DOTALL)


def split(url: str) -> list[SplitResult]:
    """A URL's parts, for each of its hosts. Raises ValueError, which quotes the URL, when it can't be read.

    Python's own function lets no host but the first be an address in brackets.
    """
    found = HOSTS.match(url)
    if found is None:
        return [urlsplit(url)]
    start, end = found.span(1)
    return [urlsplit(f"{url[:start]}{host}{url[end:]}") for host in found[1].split(",")]
