"""What a client takes, as its header `Accept` says (RFC 9110, 12.5.1)."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

RESPONSE_JSON: Final = b"application/graphql-response+json"
PLAIN_JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream"
_RANGE = re.compile(rb"([^\s,;]+)([^,]*)")
_QUALITY = re.compile(rb";\s*q\s*=\s*(\d(?:\.\d*)?)")


class Taken(NamedTuple):
    """`kind`: of an answer that is neither a page nor a subscription's; None when the client takes none of ours."""

    kind: bytes | None
    streams: bool
    pages: bool


@lru_cache(maxsize=64)
def taken(accept: bytes) -> Taken:
    """What is taken by who says this.

    Of both kinds of JSON it's the one that is wanted more, or that is named, or the newer one. Who takes JSON as well
    as an event stream is answered in JSON, except to a subscription.
    """
    wanted: dict[bytes, float] = {}
    for name, parameters in _RANGE.findall(accept.lower()):
        quality = _QUALITY.search(parameters)
        wanted[name] = 1.0 if quality is None else float(quality[1])
    json = {
        kind: next((wanted[name] for name in (kind, b"application/*", b"*/*") if name in wanted), 0.0)
        for kind in (RESPONSE_JSON, PLAIN_JSON)
    }
    kind = max(json, key=lambda each: (json[each], each in wanted))
    streams, pages = (wanted.get(name, 0.0) > 0 for name in (EVENT_STREAM, b"text/html"))
    if not json[kind] or (streams and kind not in wanted):
        return Taken(EVENT_STREAM if streams else None, streams, pages)
    return Taken(kind, streams, pages)
