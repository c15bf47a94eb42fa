"""GraphiQL, served from here alone: the page, and the files that it consists of."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from infra.settings import Settings

FOLDER: Final = Path(__file__).with_name("graphiql")
SERVED: Final = frozenset(
    {
        "LICENSES.txt",
        "deskwire.css",
        "deskwire.js",
        "graphiql.min.css",
        "graphiql.min.js",
        "react-dom.production.min.js",
        "react.production.min.js",
    }
)
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, no-cache"
# The one style that GraphiQL writes into its page: no scrolling behind a dialog.
DIALOG_STYLE: Final = "'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='"
DEMO_PEOPLE: Final = (
    "customer@example.com",
    "other.customer@example.com",
    "agent@example.com",
    "lead@example.com",
    "manager@example.com",
    "director@example.com",
    "billing.agent@example.com",
    "admin@example.com",
)
DEMO_PASSWORD: Final = "deskwire-demo"  # noqa: S105 (known to everyone, and only good where the demo people are)

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }} API</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{{ address('graphiql.min.css') }}">
<link rel="stylesheet" href="{{ address('deskwire.css') }}">
<script defer src="{{ address('react.production.min.js') }}"></script>
<script defer src="{{ address('react-dom.production.min.js') }}"></script>
<script defer src="{{ address('graphiql.min.js') }}"></script>
<script defer src="{{ address('deskwire.js') }}"></script></head>
<body><header id="bar"{% if people %} data-password="{{ password }}"{% endif %}>
<h1>{{ name }}</h1>
{% if people %}<label>Signed in as: <select id="people" autocomplete="off"><option value="">nobody</option>
{% for person in people %}<option>{{ person }}</option>
{% endfor %}</select></label>
{% else %}<form id="form">
<input name="email" type="email" aria-label="Email" placeholder="Email" autocomplete="username" required>
<input name="password" type="password" aria-label="Password" placeholder="Password" autocomplete="current-password"
  required>
<button>Sign in</button></form>
{% endif %}<output id="said" role="status"></output>
{% if not people %}<button id="sign-out" type="button" hidden>Sign out</button>{% endif %}
{% if people %}<a class="right" href="/mail" target="_blank" rel="noopener">Mail</a>{% endif %}
</header><main id="graphiql">Loading…
<noscript> GraphiQL needs JavaScript; the API at this address does not.</noscript></main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page: its bytes, their hash, their type."""

    body: bytes
    version: str
    media_type: str


def page(settings: Settings) -> Response:
    """The page; where the demo people exist, with a choice of them in place of a form to sign in."""
    people = DEMO_PEOPLE if settings.embedded else ()
    html = _template.render(name=settings.desk_name, people=people, password=DEMO_PASSWORD, address=_address)
    headers = {
        "Content-Security-Policy": _policy(settings.public_url),
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, headers=headers)


def routes() -> list[Route]:
    """`/graphiql/{file}`."""
    return [Route("/graphiql/{file}", _file, methods=["GET"], name="graphiql")]


async def _file(request: Request) -> Response:
    name = request.path_params["file"]
    if name not in SERVED:
        return PlainTextResponse("There is no such file.\n", 404)
    asset = _asset(name)
    etag = f'"{asset.version}"'
    headers = {
        "Cache-Control": FOR_EVER if request.query_params.get("v") == asset.version else ASK_AGAIN,
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@cache
def _asset(name: str) -> Asset:
    body = (FOLDER / name).read_bytes()
    media_type = {".js": "text/javascript", ".css": "text/css"}.get(Path(name).suffix, "text/plain")
    return Asset(body, hashlib.sha256(body).hexdigest()[:20], media_type)


def _address(name: str) -> str:
    """Where a file is; another content has another address, so that each can be kept for ever."""
    return f"/graphiql/{name}?v={_asset(name).version}"


def _policy(public_url: str) -> str:
    """What the page may do: run its own files, talk to its own server."""
    url = urlsplit(public_url)
    socket = f"{'wss' if url.scheme == 'https' else 'ws'}://{url.netloc}"  # for browsers whose 'self' has no sockets
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' {DIALOG_STYLE}; font-src 'self' data:; "
        f"img-src 'self' data:; connect-src 'self' {socket}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


_template: Final = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
