"""The examples do what they say, against a running desk."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
WATCH = ROOT / "examples/python/watch_ticket.py"
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
    assert process.returncode == 0, complained.decode()
    assert lines[-1] == "Have you tried water?"
    assert lines[0].split()[1] == "TicketSubmitted"
    assert lines[-2].split()[1] == "CommentAdded"
    assert len(lines) == len(set(lines))


async def test_a_refusal_is_said_in_words(live_server):
    process = await begun(live_server, "customer@example.com", "a wrong password")
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, complained = await process.communicate()
    assert (process.returncode, complained.decode().strip()) == (1, "This is not right, or not any more.")


@pytest.fixture(scope="session")
def page(packages):
    """The ticket page, beside a copy of the schema and with its packages; gives how to run one of its programs."""
    folder = packages / "examples/typescript"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples/typescript", folder)
    (packages / "schema").mkdir(exist_ok=True)
    shutil.copy(ROOT / "schema/schema.graphql", packages / "schema")

    def ran(program, *arguments):
        command = [packages / "node_modules/.bin" / program, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    done = ran("gql-tada", "generate-output")
    assert done.returncode == 0, done.stdout + done.stderr
    ran.folder = folder
    return ran


async def test_the_ticket_page_is_live(page, run):
    done = page("tsc")
    assert done.returncode == 0, done.stdout

    told = await run("ticket_page.mjs")

    assert told == {
        "name": "Otto Other",
        "wrong": "This is not right, or not any more.",
        "first": 0,
        "comments": ["<p>Is <em>anybody</em> there?</p>", "<p>Hello?</p>"],
        "empty": "The comment can't be empty.",
        "hidden": [],
        "latest": True,
    }


def test_the_ticket_page_is_checked_against_the_schema(page):
    """What the schema does not have is found before anybody runs it."""
    source = page.folder / "src/ticket.ts"
    right = source.read_text()
    try:
        source.write_text(right.replace("id number subject status", "id numbre subject status"))
        done = page("tsc", "--noEmit")
    finally:
        source.write_text(right)
    assert done.returncode != 0
    assert "src/page.ts" in done.stdout  # where the number is shown
