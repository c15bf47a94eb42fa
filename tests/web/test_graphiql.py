"""GraphiQL in a real browser, against the real server; and the files that it consists of."""

import asyncio
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from infra.settings import Settings
from web import graphiql

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = (
    "--headless",
    "--no-sandbox",  # it visits our own page alone
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--window-size=1280,900",
    "--remote-debugging-port=0",
)
in_a_browser = pytest.mark.skipif(BROWSER is None, reason=f"needs a browser: one of {', '.join(BROWSERS)}, or CHROMIUM")


PATIENCE_SECONDS = 20
OPERATION = re.compile(r"(?:query|mutation|subscription) (\w+)")
QUERY = "document.querySelector('.graphiql-query-editor .CodeMirror')?.CodeMirror"
RESULT = "document.querySelector('.result-window .CodeMirror').CodeMirror.getValue()"


class Page:
    """One page of a browser, driven by the DevTools protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self.requests: list[str] = []
        self.sent: list[dict[str, Any]] = []  # frames of WebSockets
        self.complaints: list[str] = []  # exceptions, violated policies, files that are missing

    async def _read(self) -> None:
        async for message in self._connection:
            event = json.loads(message)
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
                continue
            given = event["params"]
            match event["method"]:
                case "Network.requestWillBeSent":
                    self.requests.append(given["request"]["url"])
                case "Network.webSocketCreated":
                    self.requests.append(given["url"])
                case "Network.webSocketFrameSent":
                    self.sent.append(json.loads(given["response"]["payloadData"]))
                case "Runtime.exceptionThrown":
                    self.complaints.append(json.dumps(given["exceptionDetails"]))
                case "Log.entryAdded" if given["entry"]["level"] == "error":
                    self.complaints.append(f"{given['entry']['text']} {given['entry'].get('url')}")
                case "Runtime.consoleAPICalled" if given["type"] == "error":
                    self.complaints.append(json.dumps(given["args"]))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await self._answers[number]
        assert "error" not in answer, answer
        return answer["result"]

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        await self.until(f"{QUERY}.getValue()")
        await self.until("document.querySelector('.graphiql-spinner') === null")

    async def value(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """What the expression is as soon as it is something."""
        for _ in range(PATIENCE_SECONDS * 20):
            if value := await self.value(expression):
                return value
            await asyncio.sleep(0.05)
        shown = await self.value("document.body.innerText")
        pytest.fail(f"{expression} never came true; {self.complaints}; the page shows:\n{shown}")

    async def sign_in(self, email: str) -> None:
        chosen = f"people.value = {json.dumps(email)}; people.dispatchEvent(new Event('change'))"
        await self.value(f"{{ const people = document.getElementById('people'); {chosen}; 0 }}")
        await self.until(f"document.getElementById('bar').dataset.signedIn === {json.dumps(email)}")
        await self.until("!document.getElementById('bar').inert")

    async def show(self, tab: str) -> None:
        buttons = "[...document.querySelectorAll('.graphiql-tab-button')]"
        await self.value(f"{buttons}.find(button => button.textContent === {json.dumps(tab)}).click()")
        await self.until(f"{QUERY}.getValue().includes({json.dumps(f' {tab}')})")

    async def press(self) -> None:
        await self.value("document.querySelector('.graphiql-execute-button').click()")

    async def run(self, tab: str, *instead: tuple[str, str]) -> Any:
        """Run the operation of a tab, with other words `instead` of some of its own, and give its answer."""
        await self.show(tab)
        for words, others in instead:
            changed = f"{QUERY}.getValue().replace({json.dumps(words)}, {json.dumps(others)})"
            await self.value(f"{QUERY}.setValue({changed})")
        await self.value(f"{RESULT.removesuffix('.getValue()')}.setValue('')")
        await self.press()
        return json.loads(await self.until(f"{RESULT}.endsWith('}}') && {RESULT}"))

    async def close(self) -> None:
        await self._connection.close()
        await self._reader


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[str]:
    """Address of a browser's DevTools."""
    folder = tmp_path_factory.mktemp("browser")
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            active = folder / "DevToolsActivePort"
            end = time.monotonic() + PATIENCE_SECONDS
            while not (active.exists() and active.read_text().count("\n")):
                assert process.poll() is None, "the browser has ended"
                assert time.monotonic() < end, "the browser does not start"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{active.read_text().splitlines()[0]}"
        finally:
            process.terminate()


@asynccontextmanager
async def opened(browser: str, url: str) -> AsyncIterator[Page]:
    """A page in a context of its own: nothing stored, nobody signed in."""
    async with httpx.AsyncClient(base_url=browser) as http:
        root = (await http.get("/json/version")).json()["webSocketDebuggerUrl"]
    async with connect(root) as connection:
        control = Page(connection)
        context = (await control.call("Target.createBrowserContext"))["browserContextId"]
        target = await control.call("Target.createTarget", url="about:blank", browserContextId=context)
        async with connect(f"{root.rpartition('/devtools/')[0]}/devtools/page/{target['targetId']}") as tab:
            page = Page(tab)
            await page.open(url)
            yield page
            await page.close()
        await control.call("Target.disposeBrowserContext", browserContextId=context)
        await control.close()


@pytest.fixture
async def page(browser, live_server) -> AsyncIterator[Page]:
    async with opened(browser, f"{live_server}/graphql") as page:
        yield page
        assert page.complaints == []
        for url in page.requests:  # nothing came from elsewhere
            assert url.startswith((live_server, live_server.replace("http", "ws", 1), "data:")), url


async def as_person(live_server: str, email: str, query: str, **variables: Any) -> Any:
    """What the API answers to somebody who does not use the page."""
    async with httpx.AsyncClient(base_url=live_server, timeout=PATIENCE_SECONDS) as http:
        sign_in = (
            "mutation($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) {"
            " ... on SignInSuccess { session { accessToken } } } }"
        )
        given = {"e": email, "p": graphiql.DEMO_PASSWORD}
        answer = (await http.post("/graphql", json={"query": sign_in, "variables": given})).json()
        token = answer["data"]["signIn"]["session"]["accessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        asked = await http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        return asked.json()


@in_a_browser
async def test_the_page_stands_with_its_tabs_and_knows_the_schema(page):
    tabs = await page.value("[...document.querySelectorAll('.graphiql-tab-button')].map(one => one.textContent)")
    assert tabs == [OPERATION.search(query)[1] for query in shown_in_readme()]

    people = await page.value("[...document.getElementById('people').options].map(one => one.text)")
    assert people == ["nobody", *graphiql.DEMO_PEOPLE]

    await page.value("document.querySelector('[aria-label=\"Show Documentation Explorer\"]').click()")
    said = "document.querySelector('.graphiql-doc-explorer')?.innerText"
    await page.until(f"{said}.includes('Subscription') && {said}.includes('Who is who. The viewer is whoever asks.')")


@in_a_browser
async def test_dialogs_and_completion_work_under_the_strict_policy(page):
    await page.value("document.querySelector('[aria-label=\"Open settings dialog\"]').click()")
    await page.until("document.querySelector('.graphiql-dialog')?.innerText.includes('Theme')")
    await page.value("document.querySelector('.graphiql-dialog-close').click()")
    await page.until("document.querySelector('.graphiql-dialog') === null")

    typed = "editor.focus(); editor.setValue('{ de }'); editor.setCursor(0, 4)"
    await page.value(f"{{ const editor = {QUERY}; {typed}; 0 }}")
    # The schema may still be on its way.
    offered = "document.querySelector('.CodeMirror-hints')?.innerText.includes('desk')"
    await page.until(f"({QUERY}.execCommand('autocomplete'), {offered})")


@in_a_browser
async def test_on_a_phone_the_answer_is_below_what_is_asked(page):
    await page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    assert (await page.run("Welcome"))["data"]["categories"]["nodes"]
    of = "document.querySelector('.graphiql-{}').getBoundingClientRect().toJSON()"
    asked, answer = [await page.value(of.format(name)) for name in ("editors", "response")]

    assert asked["bottom"] <= answer["top"]
    assert answer["bottom"] <= 844
    assert min(asked["height"], answer["height"]) > 250
    assert min(asked["width"], answer["width"]) > 280

    await page.value("document.querySelector('[aria-label=\"Show Documentation Explorer\"]').click()")
    await page.until("document.querySelector('.graphiql-doc-explorer')?.getBoundingClientRect().width > 280")


@in_a_browser
async def test_with_large_letters_nothing_covers_anything(page):
    """Twice as large on a window of 1280 by 800: half as much has room."""
    await page.call("Emulation.setDeviceMetricsOverride", width=640, height=400, deviceScaleFactor=2, mobile=False)
    assert (await page.run("Welcome"))["data"]["categories"]["nodes"]
    of = "document.querySelector('.graphiql-{}').getBoundingClientRect().toJSON()"
    names = ("query-editor", "toolbar", "editor-tools", "response")
    query, buttons, tools, answer = [await page.value(of.format(name)) for name in names]

    assert buttons["bottom"] <= query["bottom"] <= tools["top"]
    assert tools["bottom"] <= answer["top"]


@in_a_browser
async def test_whoever_uses_a_keyboard_goes_on_where_they_were(page):
    await page.value("document.getElementById('people').focus()")
    for kind in ("keyDown", "keyUp"):
        await page.call(
            "Input.dispatchKeyEvent", type=kind, key="ArrowDown", code="ArrowDown", windowsVirtualKeyCode=40
        )
    await page.until("document.getElementById('bar').dataset.signedIn && !document.getElementById('bar').inert")

    assert await page.value("document.activeElement.id") == "people"


@in_a_browser
async def test_what_is_shown_has_names_and_can_be_told_from_what_is_behind_it(page):
    await page.until("document.querySelectorAll('.CodeMirror textarea').length === 4")
    labels = "[...document.querySelectorAll('.CodeMirror textarea')].map(one => one.ariaLabel)"
    assert await page.value(labels) == ["Query", "Variables", "Headers", "Answer"]
    style = "getComputedStyle(document.querySelector('{}')).{}"
    assert await page.value(style.format(".graphiql-execute-button", "forcedColorAdjust")) == "none"

    assert contrast_on_white(await page.value(style.format("#people", "borderTopColor"))) >= 3
    names = ("def", "property", "keyword", "punctuation", "comment")
    colours = [await page.value(style.format(f".graphiql-query-editor .cm-{name}", "color")) for name in names]
    assert {name: colour for name, colour in zip(names, colours, strict=True) if contrast_on_white(colour) < 4.5} == {}


def contrast_on_white(colour: str) -> float:
    """By WCAG; `colour`: as a browser tells it."""
    red, green, blue, *alpha = map(float, re.findall(r"[\d.]+", colour))
    seen = [1 - (1 - part / 255) * (alpha[0] if alpha else 1) for part in (red, green, blue)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in seen]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


@in_a_browser
async def test_nobody_and_then_a_customer_is_the_viewer(page):
    nobody = await page.run("Welcome")
    assert nobody["data"]["viewer"] is None
    assert nobody["data"]["categories"]["nodes"]

    await page.sign_in("customer@example.com")
    somebody = await page.run("Welcome")
    assert somebody["data"]["viewer"]["person"]["name"] == "Carla Customer"
    shown = await page.value("document.getElementById('said').textContent")
    assert shown == somebody["data"]["viewer"]["person"]["name"]

    await page.sign_in("")
    assert (await page.run("Welcome"))["data"]["viewer"] is None


@in_a_browser
async def test_a_reload_keeps_who_is_signed_in_and_renews_a_token_that_ends(page, live_server):
    await page.sign_in("customer@example.com")
    before = await page.value("JSON.parse(sessionStorage['deskwire.session']).accessToken")
    late = "{ const kept = JSON.parse(sessionStorage['deskwire.session']); kept.endsAt = Date.now() + 1000;"
    await page.value(f"{late} sessionStorage['deskwire.session'] = JSON.stringify(kept); 0 }}")

    await page.open(f"{live_server}/graphql")
    answer = await page.run("Welcome")

    assert answer["data"]["viewer"]["person"]["name"] == "Carla Customer"
    assert await page.value("JSON.parse(sessionStorage['deskwire.session']).accessToken") != before


@in_a_browser
async def test_every_tab_of_the_tour_does_what_it_says(page):
    await page.sign_in("customer@example.com")
    # Not the one ticket that the tour makes: other tests look at that.
    another = ("tour-1", "tab-1"), ("Outage in the export", "The printer burns")
    ticket = (await page.run("SubmitTicket", *another))["data"]["submitTicket"]["ticket"]
    assert ticket["subject"] == "The printer burns"
    refused = (await page.run("SubmitNothing"))["data"]["submitTicket"]
    assert [problem["field"] for problem in refused["problems"]] == ["subject", "body"]

    first = (await page.run("WatchTicket"))["data"]["ticketUpdated"]
    assert first["number"] == ticket["number"]  # it is the one that changed last
    assert page.sent[0]["type"] == "connection_init"
    assert page.sent[0]["payload"]["authorization"].startswith("Bearer ")
    await page.press()  # stops it

    found = (await page.run("FindTickets"))["data"]["tickets"]
    assert found["totalCount"] == len(found["edges"])
    assert (await page.run("PlaceFile"))["data"]["createUpload"]["field"] == "sizeBytes"

    await page.sign_in("admin@example.com")
    seen = (await page.run("AgentView"))["data"]["ticket"]
    assert (seen["subject"], seen["requester"]["name"]) == ("The printer burns", "Carla Customer")
    assert [event["seq"] for event in seen["events"]["nodes"]] == list(range(1, len(seen["events"]["nodes"]) + 1))
    answered = (await page.run("AnswerTicket"))["data"]["addComment"]
    assert answered["ticket"]["status"] == "PENDING"


def shown_in_readme() -> list[str]:
    return re.findall(r"```graphql\n([^`]*)```", (graphiql.FOLDER.parents[1] / "README.md").read_text())


def test_the_tabs_are_the_queries_of_the_readme():
    tabs = re.findall(r"query: `([^`]*)`", (graphiql.FOLDER / "deskwire.js").read_text())
    without_words = ["".join(line for line in tab.splitlines(True) if not line.startswith("#")) for tab in tabs]

    assert len(tabs) == len(set(tabs)) > 1
    assert without_words == shown_in_readme()


def test_the_files_are_those_that_were_published():
    lines = (graphiql.FOLDER / "SHA256SUMS").read_text().splitlines()
    noted = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {name: hashlib.sha256((graphiql.FOLDER / name).read_bytes()).hexdigest() for name in noted}

    assert found == noted
    ours = {"deskwire.js", "deskwire.css", "README.md", "SHA256SUMS"}
    assert {path.name for path in graphiql.FOLDER.iterdir()} == noted.keys() | ours
    assert noted.keys() | {"deskwire.js", "deskwire.css"} == graphiql.SERVED


@pytest.fixture
async def http():
    transport = httpx.ASGITransport(Starlette(routes=graphiql.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        yield client


async def test_a_file_is_kept_for_ever_under_the_address_of_its_content(http):
    file = "/graphiql/deskwire.js"
    asked = await http.get(file)
    known = await http.get(f"{file}?v={asked.headers['etag'].strip(chr(34))}")
    again = await http.get(file, headers={"If-None-Match": asked.headers["etag"]})

    assert asked.headers["content-type"].startswith("text/javascript")
    assert (asked.headers["cache-control"], again.status_code, again.content) == ("public, no-cache", 304, b"")
    assert "immutable" in known.headers["cache-control"]


@pytest.mark.parametrize("name", ["README.md", "..%2Fgraphiql.py", "SHA256SUMS", "nothing.js"])
async def test_nothing_else_is_served(http, name):
    assert (await http.get(f"/graphiql/{name}")).status_code == 404


def test_the_page_runs_nothing_but_its_own_files_and_knows_demo_people_only_in_the_demo(tmp_path):
    real = Settings(
        embedded=False,
        data_dir=tmp_path,
        secret_key="s" * 40,
        database_url="postgresql://db",
        redis_url="redis://r",
        public_url="https://desk.example",
        desk_name="A <b>desk</b>",
        mail_from="support@desk.example",
    )
    answer = graphiql.page(real)
    html = bytes(answer.body).decode()
    policy = answer.headers["content-security-policy"]

    assert "A &lt;b&gt;desk&lt;/b&gt;" in html
    assert "example.com" not in html
    assert graphiql.DEMO_PASSWORD not in html
    assert 'type="password"' in html
    assert "<script>" not in html
    assert "connect-src 'self' wss://desk.example;" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<noscript> GraphiQL needs JavaScript" in html
    assert graphiql.DEMO_PASSWORD in bytes(graphiql.page(Settings(embedded=True, data_dir=tmp_path)).body).decode()
