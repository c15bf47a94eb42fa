"""The pages of caught mail."""

import httpx
import pytest
from starlette.applications import Starlette

from infra.mailcatcher import Catcher
from web.mailbox import routes

MESSAGE = b"""\
From: Desk <desk@example.com>
To: =?utf-8?q?Zo=C3=AB?= <customer@example.com>
Subject: <b>Solved</b>
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain; charset=utf-8

Go to http://desk.example/t/abc?a=1&b=2. <script>alert(1)</script>
--x
Content-Type: text/html; charset=utf-8

<p title="a">Hello</p><script>alert(2)</script>
--x--
"""


@pytest.fixture
def catcher(tmp_path) -> Catcher:
    return Catcher(tmp_path)


@pytest.fixture
async def http(tmp_path, catcher):
    transport = httpx.ASGITransport(Starlette(routes=routes(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        yield client


async def test_an_empty_box_says_so(http):
    assert "There is no mail yet." in (await http.get("/mail")).text


async def test_the_list_looks_for_more_until_it_is_told_to_stand_still(http):
    moving, still = (await http.get("/mail")).text, (await http.get("/mail?still")).text

    assert '<meta http-equiv="refresh" content="5">' in moving
    assert 'href="/mail?still"' in moving
    assert "refresh" not in still
    assert 'href="/mail"' in still


async def test_the_newest_mail_is_on_top_and_harmless(http, catcher):
    catcher.keep(b"Subject: older\n\nText")
    catcher.keep(MESSAGE)

    page = (await http.get("/mail")).text

    assert page.index("&lt;b&gt;Solved&lt;/b&gt;") < page.index("older")
    assert "Zoë &lt;customer@example.com&gt;" in page
    assert "<b>" not in page


async def test_a_message_shows_its_text_and_its_html_in_a_frame_that_runs_nothing(http, catcher):
    path = catcher.keep(MESSAGE)

    answer = await http.get(f"/mail/{path.stem}")

    link = "http://desk.example/t/abc?a=1&amp;b=2"
    assert f'Go to <a href="{link}" target="_blank" rel="noopener">{link}</a>. &lt;script&gt;' in answer.text
    assert "<script" not in answer.text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in answer.text
    assert "&lt;p title=&#34;a&#34;&gt;Hello" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert f'href="/mail/{path.name}"' in answer.text


async def test_the_source_is_given_as_it_came(http, catcher):
    path = catcher.keep(MESSAGE)

    answer = await http.get(f"/mail/{path.name}")

    assert (answer.content, answer.headers["content-type"]) == (MESSAGE, "message/rfc822")


async def test_each_text_has_its_own_direction(http, catcher):
    path = catcher.keep("Subject: =?utf-8?b?16nXnNeV150=?=\n\nשלום".encode())  # noqa: RUF001 # Hebrew

    pages = [(await http.get(address)).text for address in ("/mail", f"/mail/{path.stem}")]

    assert '<strong dir="auto">שלום' in pages[0]
    assert '<h1 dir="auto">שלום' in pages[1]
    assert "unicode-bidi: plaintext" in pages[1]


@pytest.mark.parametrize("source", [b"", b"\xff\xfe\0", b"Content-Type: text/plain; charset=nope\n\nh\xe9llo"])
async def test_a_broken_message_breaks_nothing(http, catcher, source):
    path = catcher.keep(source)

    assert (await http.get("/mail")).status_code == 200
    assert (await http.get(f"/mail/{path.stem}")).status_code == 200


async def test_what_is_missing_leads_back_to_the_list(http):
    page = (await http.get("/mail/x")).text
    assert ('<html lang="en">' in page, '<a href="/mail">' in page) == (True, True)


@pytest.mark.parametrize("name", ["x", "..%2F..%2Fetc%2Fpasswd", "20261124T000000.000000Z-00000000"])
async def test_what_is_not_there_is_missing(http, name):
    assert (await http.get(f"/mail/{name}")).status_code == 404
    assert (await http.get(f"/mail/{name}.eml")).status_code == 404
