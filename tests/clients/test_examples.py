"""The examples do what they say, against a running desk."""

import asyncio
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).resolve().parents[2]
WATCH, PAGE = ROOT / "examples/python/watch_ticket.py", ROOT / "examples/typescript"
SCHEMA = build_schema((ROOT / "schema/schema.graphql").read_text())
PATIENCE_SECONDS = 30
SIGN_IN = """mutation { signIn(input: {email: "agent@example.com", password: "deskwire-demo"}) {
  ... on SignInSuccess { session { accessToken } } } }"""
COMMENT = """mutation ($id: ID!) { addComment(input: {ticketId: $id, body: "Have you tried water?"}) { __typename } }"""


async def begun(*arguments):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return await asyncio.create_subprocess_exec(sys.executable, WATCH, *arguments, **pipes)


async def test_a_ticket_is_watched_until_somebody_answers(live_server):
    process = await begun(live_server, "customer@example.com", "deskwire-demo")
    async with asyncio.timeout(PATIENCE_SECONDS), httpx.AsyncClient(base_url=live_server) as http:
        number, ticket_id = (await process.stdout.readline()).decode().split()
        assert number.startswith("#")
        answer = await http.post("/graphql", json={"query": SIGN_IN})
        http.headers["Authorization"] = f"Bearer {answer.json()['data']['signIn']['session']['accessToken']}"
        said = await http.post("/graphql", json={"query": COMMENT, "variables": {"id": ticket_id}})
        assert said.json()["data"]["addComment"]["__typename"] == "AddCommentSuccess"
        told, complained = await process.communicate()
    lines = told.decode().splitlines()
    assert (process.returncode, complained.decode()) == (0, "")
    assert lines[-1] == "Have you tried water?"
    assert lines[0].split()[1] == "TicketSubmitted"
    assert lines[-2].split()[1] == "CommentAdded"
    assert len(lines) == len(set(lines))


@pytest.fixture
def watcher():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location(WATCH.stem, WATCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_ticket_is_watched_on_when_the_token_has_ended(live_server, watcher):
    desk = watcher.Desk(live_server)
    await desk.sign_in("customer@example.com", "deskwire-demo")
    found = await desk.ask("{ tickets(first: 1) { nodes { id } } }")
    desk.token, desk.session["accessTokenExpiresAt"] = "ended", "2026-01-01T00:00:00.000Z"

    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(desk.events(found["tickets"]["nodes"][0]["id"])) as events:
        assert (await anext(events))["__typename"] == "TicketSubmitted"

    assert desk.token != "ended"
    desk.session |= {"accessTokenExpiresAt": "2026-01-01T00:00:00.000Z", "refreshToken": "nonsense"}
    with pytest.raises(watcher.Refused):
        await desk.stay_signed_in()


async def test_a_refusal_is_said_in_words(live_server):
    process = await begun(live_server, "customer@example.com", "a wrong password")
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, complained = await process.communicate()
    assert (process.returncode, complained.decode().strip()) == (
        1,
        "This is not right, or not any more. Try again, or ask for a link by email.",
    )


@pytest.fixture(scope="session")
def page(packages):
    """The ticket page, with its packages; gives how to run one of its programs."""
    folder = packages / "examples/typescript"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PAGE, folder)

    def ran(program, *arguments):
        command = [packages / "node_modules/.bin" / program, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    ran.folder = folder
    return ran


async def test_the_ticket_page_is_live(page, run):
    done = page("tsc")
    assert done.returncode == 0, done.stdout

    told = await run("ticket_page.mjs")

    assert told == {
        "name": "Otto Other",
        "wrong": "This is not right, or not any more. Try again, or ask for a link by email.",
        "first": 0,
        "comments": ["<p>Is <em>anybody</em> there?</p>", "<p>Hello?</p>"],
        "empty": "The comment can't be empty.",
        "hidden": [],
        "solutions": ["<p>New</p>", None, None],
        "ended": ["<p>Still there?</p>", "<p>And now?</p>"],
        "found": [4, 5, 6],
        "latest": True,
    }


def test_the_ticket_page_asks_for_what_there_is():
    """Its types are those of its operations, and the schema has all that these ask for."""
    written = "".join(path.read_text() for path in sorted((PAGE / "src").glob("*.ts")))
    operations = re.findall(r"graphql\(`(.*?)`\)", written, re.DOTALL)
    typed = (PAGE / "src/gql/gql.ts").read_text()
    assert len(operations) == 5
    for operation in operations:
        assert validate(SCHEMA, parse(operation)) == []
        assert f"export function graphql(source: {json.dumps(operation)})" in typed
    types = (PAGE / "src/gql/graphql.ts").read_text()
    enums = dict(re.findall(r"export type (\w+) =((?:\n  /\*\*[^*]*\*/\n  \| '\w+')+);", types))
    assert "TicketStatus" in enums
    for name, values in enums.items():
        assert sorted(re.findall(r"\| '(\w+)'", values)) == sorted(SCHEMA.get_type(name).values)


def test_the_ticket_page_is_checked_before_it_runs(page):
    """What nobody has made types of is found before anybody runs it."""
    source = page.folder / "src/ticket.ts"
    right = source.read_text()
    try:
        source.write_text(right.replace("id number subject status", "id subject status"))
        done = page("tsc", "--noEmit")
    finally:
        source.write_text(right)
    assert done.returncode != 0
    assert "src/ticket.ts" in done.stdout
