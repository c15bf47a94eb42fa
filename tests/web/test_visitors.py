"""Readers without an account: how they are known again, over HTTP, event streams and sockets."""

import httpx
import pytest

from domain import visitors
from domain.access import Viewer
from infra.ids import new_id
from web.app import opened_to

QUERY = "{ desk { name } }"


@pytest.fixture
async def browser(application, database):
    """A client that nobody has given a cookie yet."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
        yield client


def post(client, **headers):
    return client.post("/graphql", json={"query": QUERY}, headers=headers)


async def test_the_first_answer_says_who_one_is(browser, desk):
    response = await post(browser)

    token = response.headers["x-visitor"]
    assert visitors.known(desk.signer, token).role is None
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"visitor={token}; Max-Age=")
    assert {"Path=/graphql", "HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert 34_559_000 < int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 34_560_000


@pytest.mark.parametrize("way", ["cookie", "header"])
async def test_whoever_says_it_is_not_told_again(browser, way):
    token = (await post(browser)).headers["x-visitor"]
    if way == "header":
        browser.cookies.clear()

    response = await post(browser, **({"X-Visitor": token} if way == "header" else {}))

    assert "x-visitor" not in response.headers
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "beside", ['prefs={"dark": true}', "seen=a b", 'open="', "path=/", "version=3", "grid[0]=1", "größe=1", "alone", ""]
)
async def test_cookies_of_other_pages_of_the_host_stand_in_nobodys_way(browser, beside):
    token = (await post(browser)).headers["x-visitor"]
    browser.cookies.clear()

    for cookies in (f"{beside}; visitor={token}", f"visitor={token}; {beside}"):
        assert "x-visitor" not in (await post(browser, Cookie=cookies.encode())).headers


async def test_what_was_not_signed_here_is_nobody(browser, desk, customer):
    forged = [
        "nonsense",
        customer.token,
        desk.signer.sign("access", {"id": str(new_id())}, 60),
        desk.signer.sign("visitor", {"id": "7"}, 60),
        desk.signer.sign("visitor", {"id": None}, 60),
        desk.signer.sign("visitor", {"id": 7}, 60),
        desk.signer.sign("visitor", {}, 60),
        desk.signer.sign("visitor", {"id": str(new_id())}, -60),
    ]
    for token in forged:
        browser.cookies.clear()
        response = await post(browser, **{"X-Visitor": token})
        assert response.status_code == 200
        assert response.headers["x-visitor"] != token


async def test_what_makes_a_visitor_signs_nobody_in(browser, desk, customer):
    token = visitors.token(desk.signer, Viewer(None, customer.id))

    assert (await post(browser, Authorization=f"Bearer {token}")).status_code == 401
    response = await browser.post("/graphql", json={"query": "{ viewer { id } }"}, headers={"X-Visitor": token})
    assert response.json()["data"] == {"viewer": None}


async def test_whoever_is_signed_in_is_no_visitor(browser, customer):
    response = await post(browser, Authorization=f"Bearer {customer.token}")

    assert "x-visitor" not in response.headers
    assert "set-cookie" not in response.headers


async def test_pages_of_other_origins_may_read_it(application):
    origin = "https://front.example"
    app = opened_to([origin], application)
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-visitor"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as client:
        before = await client.options("/graphql", headers=asked)
        assert before.status_code == 200
        after = await client.get("/health/live", headers={"Origin": origin})

    assert "X-Visitor" in before.headers["access-control-allow-headers"]
    assert after.headers["access-control-expose-headers"] == "X-Visitor, Retry-After"
