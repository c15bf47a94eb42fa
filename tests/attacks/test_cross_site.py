"""What a page of elsewhere can make a visitor's browser do: nothing that their cookies, links or place allow."""

import httpx
import pytest
from sockets import served
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from domain import messages, sessions
from infra.unit import now
from models import SignInLink
from web import app

REFRESH = "mutation { refreshSession(input: {}) { __typename } }"
WHO = "{ viewer { person { id } } }"
ELSEWHERE = "https://evil.example"
# How a form or a script of another page sends something without asking first.
SIMPLE = {
    "a form": {"data": {"query": REFRESH}},
    "a form with files": {"files": {"query": (None, REFRESH)}},
    "plain text": {"content": '{"query": "' + REFRESH + '"}', "headers": {"Content-Type": "text/plain"}},
    "plain text that names JSON": {
        "content": '{"query": "' + REFRESH + '"}',
        "headers": {"Content-Type": "text/plain; application/json"},
    },
    "a form that names JSON": {
        "content": '{"query": "' + REFRESH + '"}',
        "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=application/json"},
    },
    "no type": {"content": '{"query": "' + REFRESH + '"}'},
}


@pytest.fixture
async def cookie(desk, house, customer):
    """The cookie of somebody's session."""
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id)
    return {"Cookie": f"deskwire_refresh={opened.refresh_token}"}


@pytest.mark.parametrize("sent", SIMPLE.values(), ids=SIMPLE.keys())
async def test_no_form_of_another_page_uses_the_cookie(http, cookie, database, sent):
    before = await database.rows("SELECT id, refresh_count FROM sessions ORDER BY id")
    headers = cookie | {"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"} | sent.get("headers", {})

    answer = await http.post("/graphql", **(sent | {"headers": headers}))

    assert answer.status_code == 415
    assert "access-control-allow-origin" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert await database.rows("SELECT id, refresh_count FROM sessions ORDER BY id") == before


async def test_no_address_that_is_followed_changes_anything(http, cookie, database):
    before = await database.rows("SELECT id, refresh_count FROM sessions ORDER BY id")
    for accept in ("*/*", "text/html", "text/event-stream", "image/*"):
        answer = await http.get("/graphql", params={"query": REFRESH}, headers=cookie | {"Accept": accept})
        assert answer.status_code in {405, 406}
    assert await database.rows("SELECT id, refresh_count FROM sessions ORDER BY id") == before


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cookie_is_nobody(http, cookie, method):
    """It trades for a session and is no sign of who asks."""
    sent = {"params": {"query": WHO}} if method == "GET" else {"json": {"query": WHO}}
    answer = await http.request(method, "/graphql", headers=cookie, **sent)
    assert answer.json()["data"] == {"viewer": None}


async def test_a_cookie_is_nobody_on_a_socket(socket, cookie):
    client = await socket(**cookie)
    await client.send(type="connection_init", payload={})
    assert (await client.receive())["type"] == "connection_ack"
    await client.subscribe(WHO)
    assert await client.item() == {"viewer": None}


ORIGINS = [
    "https://evil.example",
    "null",
    "file://",
    "http://desk.test.evil.example",
    "http://evildesk.test",
    "http://desk.test@evil.example",
    "http://evil.example/http://desk.test",
    "http://evil.example?desk.test",
    "http://evil.example#desk.test",
    "http://desk.test:81",
    "//",
    "desk.test",
    "http://[desk.test",
    "",
]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_no_page_of_elsewhere_opens_a_socket(socket, origin):
    with pytest.raises(Exception, match=r"403|did not receive"):
        await socket(Origin=origin)


@pytest.mark.parametrize(
    ("allowed", "origin", "may"),
    [
        ("https://friend.example", "https://friend.example", True),
        ("https://friend.example", "http://friend.example", False),
        ("https://friend.example", "https://friend.example:8443", False),
        ("https://friend.example", "null", False),
        ("*", "https://friend.example", True),
        ("*", "null", True),
    ],
)
async def test_a_socket_is_open_to_the_pages_that_may_ask(migrated, database, allowed, origin, may):
    made = app.App(migrated.model_copy(update={"allowed_origins": (allowed,)}))
    async with made.running(), served(made) as found:
        opening = connect(f"ws://{found.at}/graphql", subprotocols=["graphql-transport-ws"], origin=origin)
        if may:
            await (await opening).close()
        else:
            with pytest.raises(InvalidStatus, match="403"):
                await opening


@pytest.mark.parametrize("origin", [*ORIGINS, "https://friend.example.evil.example", "http://friend.example"])
async def test_no_page_of_elsewhere_reads_an_answer(migrated, database, origin):
    """Only pages that the settings name may, and they are named in full."""
    settings = migrated.model_copy(update={"allowed_origins": ("https://friend.example",)})
    patch = pytest.MonkeyPatch()
    patch.setattr(app, "load", lambda: settings)
    patch.setattr(app, "configure", lambda *_: None)
    patch.setattr(app.garbage, "spare", lambda: None)
    made = app.create()
    patch.undo()
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    async with (
        made.app.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://desk.test") as client,
    ):
        for who, may in ((origin, False), ("https://friend.example", True)):
            asked = await client.options("/graphql", headers=asks | {"Origin": who})
            given = await client.post("/graphql", json={"query": WHO}, headers={"Origin": who})
            for answer in (asked, given):
                assert (answer.headers.get("access-control-allow-origin") == who) is (may and bool(who))
            assert asked.status_code == (200 if may else 400)


async def test_no_neighbour_of_the_host_has_its_visitor_act_as_somebody(migrated, desk, customer, database):
    """A page of a host beside ours can set cookies for both; of one name over TLS browsers let none but ours set it."""
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id)
    made = app.App(migrated.model_copy(update={"public_url": "https://desk.example"}))
    before = await database.counts()
    async with (
        made.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="https://desk.example") as client,
    ):

        async def refreshed(cookie):
            client.cookies.clear()
            return await client.post("/graphql", json={"query": REFRESH}, headers={"Cookie": cookie})

        tossed = f"deskwire_refresh={opened.refresh_token}"
        assert (await refreshed(tossed)).json()["data"]["refreshSession"]["__typename"] == "WrongCredentials"
        assert await database.counts() == before
        answer = await refreshed(f"__Host-{tossed}; deskwire_refresh=evil; visitor=evil")
    assert answer.json()["data"]["refreshSession"]["__typename"] == "RefreshSessionSuccess"
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert cookie.startswith("__Host-deskwire_refresh=")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)


@pytest.fixture
async def link(desk, customer):
    """A link that signs somebody in."""
    async with desk.writes.begin() as unit:
        moment = {"created_at": unit.now, "expires_at": unit.now.replace(year=unit.now.year + 1), "used_at": None}
        row = unit.insert(SignInLink, person_id=customer.id, **moment)
    return messages.sign_in_link(desk.settings, desk.signer, row, now())


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_page_of_elsewhere_signs_its_visitor_in_as_somebody(http, link, database, site):
    """Who would be signed in as the attacker, and would tell the attacker's account their secrets."""
    before = await database.counts()

    answer = await http.post(link, headers={"Sec-Fetch-Site": site, "Origin": ELSEWHERE})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert await database.counts() == before


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}])
async def test_our_own_page_signs_in(http, link, headers):
    answer = await http.post(link, headers=headers)
    http.cookies.clear()
    assert answer.status_code == 200
    assert "HttpOnly" in answer.headers["set-cookie"]


PAGES = ["/sign-in/x", "/t/x", "/unsubscribe/x"]


@pytest.mark.parametrize("page", PAGES)
async def test_no_page_can_be_framed_or_tells_its_address(http, page):
    answer = await http.get(page)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
