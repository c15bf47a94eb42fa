"""Caught mail as pages, where no mail leaves the machine: the list, and each message with its text and its HTML."""

import datetime as dt
import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

NAME: Final = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-[0-9a-f]{8}")
LINK: Final = re.compile(r"https?://[^\s<>\"')]+")
MOST_LISTED: Final = 1000  # as many as the catcher keeps
SAFE: Final = {
    # A message's HTML is in a frame that inherits this: it may have its styles, and can load and run nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{% block refresh %}{% endblock %}<title>{% block title %}{% endblock %}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --quiet: #6b7280; --link: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --quiet: #9aa4b2; --link: #8ab4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
a { color: var(--link); }
ul { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
li a { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .6rem .25rem;
  border-bottom: 1px solid var(--line); color: inherit; text-decoration: none; }
li a:hover, li a:focus { background: #8882; }
.quiet { color: var(--quiet); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; }
pre { margin: 0; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem;
  font: .9rem/1.5 ui-monospace, monospace; white-space: pre-wrap; unicode-bidi: plaintext; }
iframe { width: 100%; height: 24rem; border: 1px solid var(--line); border-radius: .4rem; background: #fff;
  resize: vertical; color-scheme: light; }
@media (max-width: 30rem) { li a { grid-template-columns: 1fr; } body { padding: .75rem; } }
</style></head><body><main>{% block body %}{% endblock %}</main></body></html>
"""
LIST: Final = """{% extends "frame" %}
{% block refresh %}{% if not still %}<meta http-equiv="refresh" content="5">{% endif %}{% endblock %}
{% block title %}Mail ({{ messages | length }}){% endblock %}
{% block body %}<h1>Mail</h1>
<p class="quiet">Nothing here has left this machine. The newest is on top;
{% if still %}<a href="/mail">look for more every 5 seconds</a>.{% else %}the page looks for more every 5 seconds:
<a href="/mail?still">stop that</a>.{% endif %}</p>
{% if messages %}<ul>{% for message in messages %}
<li><a href="/mail/{{ message.name }}"><strong dir="auto">{{ message.subject }}</strong>
<time class="quiet">{{ message.time }}</time>
<span class="quiet">{% if message.to %}to {{ message.to }}{% endif %}</span></a></li>{% endfor %}
</ul>{% else %}<p>There is no mail yet.</p>{% endif %}{% endblock %}
"""
MESSAGE: Final = """{% extends "frame" %}
{% block title %}{{ message.subject }}{% endblock %}
{% block body %}<p><a href="/mail">All mail</a></p><h1 dir="auto">{{ message.subject }}</h1>
<dl><dt>From</dt><dd>{{ message.sender }}</dd><dt>To</dt><dd>{{ message.to }}</dd>
<dt>Caught</dt><dd>{{ message.time }}</dd>
<dt>Source</dt><dd><a href="/mail/{{ message.name }}.eml">{{ message.name }}.eml</a></dd></dl>
{% if text is not none %}<h2>Text</h2><pre>{{ text | linked }}</pre>{% endif %}
{% if html is not none %}<h2>HTML</h2>
<iframe title="The message's HTML" sandbox="allow-popups allow-popups-to-escape-sandbox"
  srcdoc="{{ '<!doctype html><base target=_blank>' ~ html }}"></iframe>{% endif %}{% endblock %}
"""
MISSING: Final = """{% extends "frame" %}
{% block title %}No such message{% endblock %}
{% block body %}<p><a href="/mail">All mail</a></p><h1>There is no such message.</h1>{% endblock %}
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """One message of the list."""

    name: str
    time: str
    subject: str
    sender: str
    to: str


def routes(folder: Path) -> list[Route]:
    """`/mail`, `/mail/{name}` and `/mail/{name}.eml` over the folder that the catcher fills."""

    def all_mail(request: Request) -> Response:
        paths = sorted(folder.glob("*.eml"), reverse=True)[:MOST_LISTED]
        found = [_summary(path) for path in paths if NAME.fullmatch(path.stem)]
        return _page(
            "list",
            messages=[summary for summary in found if summary is not None],
            still="still" in request.query_params,
        )

    def one(request: Request) -> Response:
        path = _path(folder, request)
        summary = _summary(path) if path else None
        if path is None or summary is None:
            return _missing()
        message = _parsed(path.read_bytes())
        return _page("message", message=summary, text=_content(message, "plain"), html=_content(message, "html"))

    def source(request: Request) -> Response:
        path = _path(folder, request)
        if path is None:
            return _missing()
        return Response(path.read_bytes(), media_type="message/rfc822", headers=SAFE)

    return [
        Route("/mail", all_mail, methods=["GET"], name="mail"),
        Route("/mail/{name}.eml", source, methods=["GET"], name="mail_source"),
        Route("/mail/{name}", one, methods=["GET"], name="mail_message"),
    ]


def _path(folder: Path, request: Request) -> Path | None:
    name = request.path_params["name"]
    path = folder / f"{name}.eml"
    return path if NAME.fullmatch(name) and path.is_file() else None


@lru_cache(maxsize=MOST_LISTED)
def _summary(path: Path) -> Summary | None:
    """A file never changes, so it is read once; None when it has just been let go of."""
    named = NAME.fullmatch(path.stem)
    try:
        message = _parsed(path.read_bytes())
    except FileNotFoundError:
        return None
    time = dt.datetime.strptime(named[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=dt.UTC) if named else None
    return Summary(
        name=path.stem,
        time=f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else "",
        subject=_header(message, "Subject") or "(no subject)",
        sender=_header(message, "From"),
        to=_header(message, "To"),
    )


def _parsed(source: bytes) -> EmailMessage:
    return email.message_from_bytes(source, policy=email.policy.default)


def _header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, ""))


def _content(message: EmailMessage, kind: str) -> str | None:
    """The part of this kind in words, or None when there is none."""
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except LookupError:  # of a character set that nobody knows
        return bytes(part.get_payload(decode=True)).decode("utf-8", "replace")


def _linked(text: str) -> Markup:
    """Text with its web addresses made links."""
    parts, end = [], 0
    for match in LINK.finditer(text):
        url = match[0].rstrip(".,;:!?")
        link = Markup('<a href="{0}" target="_blank" rel="noopener">{0}</a>').format(url)
        parts += [escape(text[end : match.start()]), link]
        end = match.start() + len(url)
    return Markup("").join([*parts, escape(text[end:])])


_templates: Final = Environment(
    loader=DictLoader({"frame": FRAME, "list": LIST, "message": MESSAGE, "missing": MISSING}),
    autoescape=True,
    undefined=StrictUndefined,
)
_templates.filters["linked"] = _linked


def _page(name: str, status: int = 200, **facts: Any) -> Response:
    return HTMLResponse(_templates.get_template(name).render(facts), status, SAFE)


def _missing() -> Response:
    return _page("missing", 404)
