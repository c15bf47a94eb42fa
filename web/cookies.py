"""Cookies: no script reads them, no page of elsewhere sends them, and over TLS no host but this sets them."""

import datetime as dt

from starlette.requests import cookie_parser

HOST = "__Host-"  # browsers take a cookie of such a name from no neighbour of this host, and over TLS alone


class Cookies:
    """The cookies of a desk that people reach at a URL."""

    def __init__(self, public_url: str) -> None:
        """`public_url`: without TLS there is less that browsers can promise."""
        self._secure = public_url.startswith("https:")
        self._prefix, self._path = (HOST, "/") if self._secure else ("", "/graphql")

    def read(self, header: str) -> dict[str, str]:
        """What a browser sends, by the names that we know them by; of others nothing.

        It sends those of its other pages of this host as well, with whatever is in them (RFC 6265, 5.4).
        """
        if not header:
            return {}
        found = cookie_parser(header)
        return {
            name.removeprefix(self._prefix): value for name, value in found.items() if name.startswith(self._prefix)
        }

    def written(self, name: str, value: str, until: dt.datetime) -> str:
        """What has a browser keep one."""
        seconds = max(0, int((until - dt.datetime.now(dt.UTC)).total_seconds()))
        parts = [f"{self._prefix}{name}={value}", f"Max-Age={seconds}", f"Path={self._path}", "HttpOnly"]
        return "; ".join([*parts, "SameSite=Strict", *(["Secure"] if self._secure else [])])
