"""What settings have to look like, so that a bad one is told of at the start."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from email.utils import getaddresses
from typing import Any

from infra.urls import split

SCHEMES = {
    "public_url": ("http", "https"),
    "ticket_url": ("http", "https"),
    "sign_in_url": ("http", "https"),
    "database_url": ("postgresql", "postgres"),
    "replica_urls": ("postgresql", "postgres"),
    "redis_url": ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster", "unix"),
    "smtp_url": ("smtp", "smtp+starttls", "smtps", "ses"),
    "oidc_issuer": ("https", "http"),
    "storage_url": ("file", "s3", "gs", "memory"),
    "sentry_dsn": ("http", "https"),
    "otel_exporter_otlp_endpoint": ("http", "https"),
    "otel_exporter_otlp_traces_endpoint": ("http", "https"),
}
WITH_PASSWORDS = {"database_url", "replica_urls", "redis_url", "smtp_url"}
# These lead somewhere without a host.
BY_THEMSELVES = {"postgresql", "postgres", "redis", "rediss", "unix", "file", "memory"}
ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/?#@\s:\[\]]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?", re.ASCII
)
HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+[ \t]*=[ !#-:<-\[\]-~]*", re.ASCII)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # ends a line, or is none of its letters
PORTS = {"http": "80", "https": "443"}


def _is_a_line(value: str) -> bool:
    return bool(value.strip()) and CONTROL.search(value) is None


def _is_address(value: str) -> bool:
    return CONTROL.search(value) is None and [
        bool(re.fullmatch(r"[^\s@]+@[^\s@]+", address)) for _, address in getaddresses([value])
    ] == [True]


def _is_bare_address(value: str) -> bool:
    return value.count("@") == 1 and not any(letter.isspace() for letter in value)


def _is_of_tickets(value: str) -> bool:
    return re.fullmatch(r"[^{}\s]+(?:\{(?:number|id)\}[^{}\s]*)+", value) is not None


def _takes_a_token(value: str) -> bool:
    return re.fullmatch(r"[^{}\s]+\{token\}[^{}\s]*", value) is not None


def _is_domain(value: str) -> bool:
    return re.fullmatch(r"[\w-]+(?:\.[\w-]+)*", value, re.ASCII) is not None


def _is_proxy(value: str) -> bool:
    try:
        return value == "*" or bool(ipaddress.ip_network(value))
    except ValueError:
        return False


def _is_media_type(value: str) -> bool:
    return re.fullmatch(r"[^\s/]+/[^\s/]+", value) is not None


def _is_dsn(value: str) -> bool:
    return re.fullmatch(r"[a-z]+://[^\s@/]+@[^\s/]+/(?:[^\s/]+/)*\d+", value) is not None


def _are_headers(value: str) -> bool:
    """As OpenTelemetry reads them. It logs what it can't read, and that may be a key without its name."""
    return all(HEADER.fullmatch(header.strip()) for header in value.split(",") if header)


# What a value has to look like that would otherwise be taken, and then do nothing, or break what runs much later.
FORMATS: dict[str, tuple[Callable[[str], bool], str]] = {
    "desk_name": (_is_a_line, "is one line of text"),
    "mail_from": (_is_address, "is one address, with a name or without: Support <support@example.com>"),
    "operator_email": (_is_bare_address, "is one address, such as operator@example.com"),
    "ticket_url": (_is_of_tickets, "has {number} or {id} in it, as https://desk.example.com/tickets/{number}"),
    "sign_in_url": (_takes_a_token, "has {token} in it, as https://app.example.com/sign-in#{token}"),
    "reply_domain": (_is_domain, "is a domain in ASCII, such as reply.example.com or xn--bcher-kva.example"),
    "forwarded_allow_ips": (_is_proxy, "has addresses and networks, such as 10.0.0.0/8, with commas between them"),
    "attachment_types": (_is_media_type, "has media types, such as image/*, with commas between them"),
    "otel_exporter_otlp_headers": (_are_headers, "has name=value, with commas between them"),
    "otel_exporter_otlp_traces_headers": (_are_headers, "has name=value, with commas between them"),
    "sentry_dsn": (_is_dsn, "is what Sentry shows as a project's DSN: https://key@host/number"),
}


def as_browsers_say(origin: str) -> str:
    """Where a page is from, in small letters and without the port that follows from the scheme; or `*`.

    Raises ValueError for anything else.
    """
    origin = origin.rstrip("/").lower()
    found = ORIGIN.fullmatch(origin)
    if origin != "*" and not found:
        raise ValueError("has origins, such as https://app.example.com, with commas between them, or *")
    usual = PORTS.get(found["scheme"]) if found else None
    return origin.removesuffix(f":{usual}") if usual else origin


def wrong_addresses(settings: Mapping[str, Any]) -> list[str]:
    """Of all settings by name, a line for each that leads nowhere, without its value."""
    addresses = {name: _urls(name, settings[name]) for name in SCHEMES}
    return [
        f"{name.upper()}: must begin with {' or '.join(f'{scheme}://' for scheme in SCHEMES[name])}"
        for name, urls in addresses.items()
        if any(url.partition(":")[0] not in SCHEMES[name] for url in urls)
    ] or [
        f"{name.upper()}: {said}"
        for name, urls in addresses.items()
        if (said := next(filter(None, (_unread(name, url) for url in urls)), None))
    ]


def _urls(name: str, value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The addresses that a setting holds. A folder's may have spaces."""
    if isinstance(value, tuple):
        return value
    return tuple((value or "").split()) if name == "smtp_url" else (value,) if value else ()


def _unread(name: str, url: str) -> str | None:
    """Why nobody can follow an address; None: it can be read."""
    try:
        parts, *others = split(url)
        ports = [each.port for each in (parts, *others)]
    except ValueError:  # it quotes the value, which may be a piece of a password
        ports = None
    if ports is None or (name in WITH_PASSWORDS and "@" in url and "@" not in parts.netloc):
        return "can't be read: ports are numbers, and in a password / ? # @ % are written as %2F %3F %23 %40 %25"
    if name == "public_url" and ("?" in url or "#" in url):
        return "has no ? and no #: paths are put behind it"
    if parts.scheme == "file" and parts.netloc not in {"", "localhost"}:
        return "names a machine: a folder's address has three slashes, as file:///srv/deskwire/files"
    if parts.scheme in {"redis", "rediss"} and not re.fullmatch(r"(/\d*/?)?", parts.path, re.ASCII):
        return "has the number of a database behind the port, or nothing"
    return None if parts.netloc or parts.scheme in BY_THEMSELVES else "names nothing behind ://"
