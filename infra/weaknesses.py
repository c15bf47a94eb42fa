"""What works and yet should not stay so: told by `desk check` before a real desk is opened to people."""

import ipaddress
import math
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from infra.settings import Settings
from infra.urls import split

# What stands in examples and images, also with something around it.
KNOWN_WORDS = ("change", "deskwire", "password", "postgres", "secret", "example", "valkey", "redis", "admin", "12345")
LEAST_PASSWORD = 12
LEAST_KEY_BITS = 96.0
LEAST_CHARACTERS = 10  # different ones
MOST_ACCESS_SECONDS = 60 * 60
NOBODYS = ("example.com", "example.org", ".invalid")
ENCRYPTED = {"require", "verify-ca", "verify-full"}  # what `sslmode` may say
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 # what is looked for
OPEN_TO_OTHERS = stat.S_IROTH | stat.S_IWOTH


def of(settings: Settings) -> list[tuple[str, str]]:
    """The settings that are weak, and why. None of an embedded desk, which is for trying it out."""
    if settings.embedded:
        return []
    looks = _keys, _outside, _collected, _addresses, _proxies, _telling, _files
    found = dict.fromkeys(each for look in looks for each in look(settings))  # of several hosts the same is said once
    return [(name, said) for name, said in found if said]


def notes(settings: Settings) -> list[tuple[str, str]]:
    """The settings that are as they may be, and what an operator should know of them. None of an embedded desk."""
    return [] if settings.embedded else list(_notes(settings))


def _notes(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.sentry_dsn is None and settings.operator_email is not None:
        yield "SENTRY_DSN", "is not set: the operator is mailed of what breaks, and the log has the rest"
    if settings.reply_domain is None and settings.smtp_url is not None:
        yield "REPLY_DOMAIN", "is not set: answers to mails go to MAIL_FROM, and never reach their ticket"
    if settings.environment != "production" and settings.introspection:
        yield "ENVIRONMENT", f"is {settings.environment}: strangers are shown the whole API, and GraphiQL"
    if settings.storage_url.startswith("file:"):
        yield "STORAGE_URL", "is a folder: all processes must share it, and backups hold it beside the database"
    for file in _secrets():
        if file.is_file() and not file.name.startswith(".") and not _sets(file):
            yield "SECRETS_DIR", f"{file.name} is the name of no setting: nothing is read there"


def _keys(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, keys in (("SECRET_KEY", (settings.secret_key,)), ("TRUSTED_SECRET_KEYS", settings.trusted_secret_keys)):
        if any(map(is_guessable, keys)):
            yield name, "can be guessed, and whoever has it signs in as anybody; `openssl rand -hex 32` makes one"
    if settings.access_token_seconds > MOST_ACCESS_SECONDS:
        yield "ACCESS_TOKEN_SECONDS", "is more than an hour, in which whoever finds a token is let in by it"
    for name, url in _databases(settings):
        yield name, _password(url)
    nodes = split(settings.redis_url)
    redis = nodes[0]
    yield "REDIS_URL", _password(redis)
    if redis.scheme != "unix" and not redis.password and not all(is_here(node.hostname) for node in nodes):
        yield "REDIS_URL", "has no password: whoever reaches it can have jobs run and streams end"


def _databases(settings: Settings) -> Iterator[tuple[str, SplitResult]]:
    for name, url in (
        ("DATABASE_URL", settings.database_url),
        *(("REPLICA_URLS", url) for url in settings.replica_urls),
    ):
        for server in split(url):
            yield name, server


def _outside(settings: Settings) -> Iterator[tuple[str, str]]:
    """What goes to other machines in the clear."""
    for name, url in _databases(settings):
        modes = {mode for key, given in parse_qs(url.query).items() if key in {"ssl", "sslmode"} for mode in given}
        if is_public(url.hostname) and not modes & ENCRYPTED:
            yield name, "may go in the clear to another network: add ?sslmode=verify-full"
    nodes = split(settings.redis_url)
    scheme = nodes[0].scheme
    if scheme in {"redis", "redis+sentinel", "redis+cluster"} and any(is_public(node.hostname) for node in nodes):
        yield "REDIS_URL", f"goes in the clear to another network: begin it with {scheme.replace('s', 'ss', 1)}://"
    for mail in map(urlsplit, settings.smtp_urls):
        if mail.scheme == "smtp" and not is_here(mail.hostname):
            what = "passwords and letters go" if mail.password else "letters go"
            yield "SMTP_URL", f"{what} in the clear where the server offers no TLS: begin it with smtp+starttls://"

    endpoint = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL"}.get(urlsplit(settings.storage_url).scheme, "")
    store = urlsplit(os.environ.get(endpoint, ""))
    if store.scheme == "http" and is_public(store.hostname):
        yield endpoint, "files go in the clear to another network: begin it with https://"
    sentry = urlsplit(settings.sentry_dsn or "")
    if sentry.scheme == "http" and is_public(sentry.hostname):
        yield "SENTRY_DSN", "reports go in the clear to another network: begin it with https://"


def _collected(settings: Settings) -> Iterator[tuple[str, str]]:
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if settings.otel_exporter_otlp_traces_endpoint else ENDPOINT
    collector = urlsplit(settings.traces_endpoint or "")
    if collector.scheme == "http" and is_public(collector.hostname):
        yield name, "traces, and the keys in their headers, go in the clear to another network: begin it with https://"


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    """What people are sent to, and who may pose as whom."""
    public = urlsplit(settings.public_url)
    if is_here(public.hostname):
        yield "PUBLIC_URL", "is this machine alone: nobody else can follow a link in a mail"
    elif public.scheme != "https":
        yield "PUBLIC_URL", "is not https: tokens and links travel in the clear, and cookies are not kept for it alone"
    front_end = urlsplit(settings.sign_in_url or "")
    if front_end.scheme == "http" and not is_here(front_end.hostname):
        yield "SIGN_IN_URL", "is not https: links that sign people in travel in the clear"
    for origin in settings.allowed_origins:
        if origin == "*":
            yield "ALLOWED_ORIGINS", "lets every page of the web call the API for whoever visits it"
        elif urlsplit(origin).scheme != "https" and not is_here(urlsplit(origin).hostname):
            yield "ALLOWED_ORIGINS", f"{origin} is not https: whoever is between can change that page"


def _proxies(settings: Settings) -> Iterator[tuple[str, str]]:
    """Whose word on where a request came from is taken."""
    name = "FORWARDED_ALLOW_IPS"
    proxies = settings.forwarded_allow_ips
    if "*" in proxies or any(each.endswith("/0") for each in proxies):
        yield name, "believes everybody who says where they come from, so limits by network hold nobody"
    elif (
        name.lower() not in settings.model_fields_set
        and settings.public_url.startswith("https:")
        and settings.host in EVERYWHERE
    ):
        yield name, "is not set: all who come through a proxy that is not on this machine count as one network"


def _telling(settings: Settings) -> Iterator[tuple[str, str]]:
    """What strangers are told, and what nobody is."""
    if settings.introspection and settings.environment == "production":
        yield "INTROSPECTION", "shows strangers the whole API, and GraphiQL"
    if settings.log_level == "DEBUG":
        yield "LOG_LEVEL", "is DEBUG: what libraries tell then may hold what people wrote"
    if settings.log_format == "console":
        yield "LOG_FORMAT", "console shows the texts of errors, which may quote people"
    if settings.smtp_url is None:
        yield "SMTP_URL", "is not set: all mail waits, links to sign in too"
    elif settings.mail_from.rpartition("@")[2].rstrip("> ").endswith(NOBODYS):
        yield "MAIL_FROM", f"{settings.mail_from} is an address of nobody's"
    if settings.operator_email is None and settings.sentry_dsn is None:
        yield "OPERATOR_EMAIL", "is not set, and no SENTRY_DSN: nobody is told when something breaks"
    elif (settings.operator_email or "").endswith(NOBODYS):
        yield "OPERATOR_EMAIL", f"{settings.operator_email} is an address of nobody's"


def _files(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.storage_url.startswith("memory:"):
        yield "STORAGE_URL", "is memory: files are gone with the process, and other processes never see them"
    for file in _secrets():
        if _sets(file) and file.stat().st_mode & OPEN_TO_OTHERS:
            yield "SECRETS_DIR", f"{file.name} can be read by everybody on this machine: chmod 640"


def _secrets() -> list[Path]:
    folder = os.environ.get("SECRETS_DIR")
    return sorted(Path(folder).iterdir()) if folder else []


def _sets(file: Path) -> bool:
    """Whether a setting is read from a file: its name may be written in capitals, as in the environment."""
    return file.is_file() and file.name.lower() in Settings.model_fields


def _password(url: SplitResult) -> str:
    """What is wrong with a URL's password, if it has one."""
    password = unquote(url.password or "")
    if not password:
        return ""
    if any(word in password.lower() for word in KNOWN_WORDS) or password == url.username:
        return "has a password that everybody tries first"
    return f"has a password of less than {LEAST_PASSWORD} characters" if len(password) < LEAST_PASSWORD else ""


def is_guessable(key: str) -> bool:
    """Whether a key is made of words, or repeats itself."""
    if any(word in key.lower() for word in KNOWN_WORDS) or key in (key + key)[1:-1]:
        return True
    if sum(letter in " -_." for letter in key) > 1 and not any(letter.isdigit() for letter in key):
        return True  # a sentence
    counts = Counter(key)
    bits = -sum(count * math.log2(count / len(key)) for count in counts.values())
    return len(counts) < LEAST_CHARACTERS or bits < LEAST_KEY_BITS


def is_here(host: str | None) -> bool:
    """Whether a host is this machine."""
    if not host:
        return True  # a socket in the file system
    address = _address(host)
    return host == "localhost" or (address is not None and (address.is_loopback or address.is_unspecified))


def is_open(host: str) -> bool:
    """Whether who listens there can be reached from other machines."""
    return host in EVERYWHERE or not is_here(host)


def is_public(host: str | None) -> bool:
    """Whether a host is reached through networks of others, as far as its name tells: a single word is one of ours."""
    if is_here(host) or not host:
        return False
    address = _address(host)
    return (
        not address.is_private
        if address is not None
        else "." in host and not host.endswith((".internal", ".local", ".svc"))
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
