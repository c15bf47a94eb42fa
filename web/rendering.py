"""Small plain pages: how they look, in whose language, and what was filled in on them."""

import datetime as dt
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.wording import DESK, TRANSLATIONS, Wording, marked
from infra.desk import Desk
from web.requests import Bodies

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is what lets one in
    "X-Robots-Tag": "noindex",  # also where somebody has put it on a public page
    "X-Content-Type-Options": "nosniff",
}
MOST_BYTES = 200_000  # of a form: 20,000 characters, each in its longest form
MOST_FIELDS = 10
MOST_LANGUAGES = 10  # that a browser asks for
LONGEST_TAG = 35  # characters of a language, as BCP 47 has it

NO_SUCH_PAGE = marked("No such page")
WRONG_LINK = marked("This link is not right, or too old.")
NOT_NOW = marked("Not now")
NOT_LIKE_THIS = marked("Not like this")
BUSY = marked("Too much is going on here. Try again.")
TOO_LONG = marked("That is too long to be sent from here, or it came too slowly.")

_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


def page(desk: Desk, w: Wording, name: str, title: str, status: int = 200, **facts: Any) -> Response:
    """A page made of the template of this name; its texts are said in the reader's language and clock."""

    def moment(text: str) -> str:
        return w.moment(dt.datetime.fromisoformat(text))

    settings = desk.settings
    body = _pages.get_template(name).render(
        title=title,
        desk_name=settings.desk_name,
        home=settings.public_url,
        language=w.tag,
        said=w.said,
        moment=moment,
        size=w.size,
        **facts,
    )
    return HTMLResponse(body, status_code=status, headers=HEADERS)


def gone(desk: Desk, w: Wording, status: int, title: str, said: str) -> Response:
    """A page that says why there is nothing to see."""
    return page(desk, w, "gone.html", w.said(title), status, text=w.said(said))


def wording_of(request: Request) -> Wording:
    """How somebody is spoken to of whom nothing is known but which languages their browser asks for."""
    asked = request.headers.get("accept-language", "").split(",")[:MOST_LANGUAGES]
    wanted = [tag.partition(";")[0].strip()[:LONGEST_TAG] for tag in asked]
    spoken = {DESK, *TRANSLATIONS}
    return Wording(next((tag for tag in wanted if tag.partition("-")[0].lower() in spoken), None))


async def filled_in(request: Request, bodies: Bodies) -> dict[str, str]:
    """What was filled in; nothing of a form with more fields than ours has. Raises Wrong."""
    body = await bodies.read(dict(request.scope["headers"]), request.receive)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[-1].replace("\0", "") for name, values in fields.items()}  # which no text can hold
