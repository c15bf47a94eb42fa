"""The restore drill: the commands of docs/backup.md, run against a desk that works, and the restored desk asked."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import httpx

from infra import embedded

ROOT = Path(__file__).resolve().parents[2]
SHELL = re.compile(r"```sh\n([^`]*)```")
PASSWORD = "deskwire-demo"
FILE = b"The printer, in flames.\n"
SIGN_IN = """mutation { signIn(input: {email: "customer@example.com", password: "deskwire-demo"}) {
  ... on SignInSuccess { session { accessToken } } } }"""
CATEGORY = "{ categories(first: 1) { nodes { id } } }"
PLACE = """mutation { createUpload(input: {filename: "fire.txt", contentType: "text/plain", sizeBytes: %d}) {
  ... on CreateUploadSuccess { upload { id url } } } }"""
SUBMIT = """mutation ($category: ID!, $upload: ID!) { submitTicket(input: {subject: "To be restored", body: "It burns.",
  categoryId: $category, uploadIds: [$upload]}) { ... on SubmitTicketSuccess { ticket { id number } } } }"""
READ = """query ($id: ID!) { ticket(id: $id) { number subject bodyHtml attachments { nodes { filename url } }
  events(first: 2) { nodes { __typename } } } }"""


async def ask(http, token, text, **variables):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = (await http.post("/graphql", json={"query": text, "variables": variables}, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def token_of(http):
    return (await ask(http, None, SIGN_IN))["signIn"]["session"]["accessToken"]


async def test_what_was_backed_up_is_restored_and_answers(live_server, folder):
    async with httpx.AsyncClient(base_url=live_server, timeout=20) as http:
        token = await token_of(http)
        category = (await ask(http, token, CATEGORY))["categories"]["nodes"][0]["id"]
        upload = (await ask(http, token, PLACE % len(FILE)))["createUpload"]["upload"]
        assert (await http.put(upload["url"], content=FILE)).status_code == 204
        made = await ask(http, token, SUBMIT, category=category, upload=upload["id"])
        ticket = made["submitTicket"]["ticket"]

    *steps, serve = SHELL.findall((ROOT / "docs/backup.md").read_text())
    assert len(steps) == 4
    port = embedded.free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | {
        "DATA_DIR": str(folder / "live"),
        "BACKUP": str(folder / "backup with spaces"),
        "RESTORED_PORT": str(port),
        "PUBLIC_URL": live_server,  # the restored desk is reached as the other was
    }
    began = time.monotonic()
    script = "\n".join(["set -euo pipefail", *steps, f"exec {serve}"])
    with (folder / "restored.log").open("wb") as log:
        pipes = {"stdout": log, "stderr": log, "start_new_session": True}
        process = await asyncio.create_subprocess_exec("bash", "-c", script, cwd=ROOT, env=environment, **pipes)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            while True:
                assert process.returncode is None, (folder / "restored.log").read_text()
                assert time.monotonic() - began < 90, (folder / "restored.log").read_text()
                try:
                    if (await http.get("/health/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            found = (await ask(http, token, READ, id=ticket["id"]))["ticket"]  # a session of before goes on
            assert (found["number"], found["subject"]) == (ticket["number"], "To be restored")
            assert [event["__typename"] for event in found["events"]["nodes"]] == ["TicketSubmitted", "TicketRouted"]
            (file,) = found["attachments"]["nodes"]
            path = httpx.URL(file["url"]).path
            assert (await http.get(path)).content == FILE
            made = await ask(
                http,
                await token_of(http),
                SUBMIT.replace(", uploadIds: [$upload]", "").replace(", $upload: ID!", ""),
                category=category,
            )
            assert made["submitTicket"]["ticket"]["number"] > ticket["number"]  # and it goes on counting
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.wait()
    for kept_secret in ("", "desk.dump", "secret-key"):
        assert not (folder / "backup with spaces" / kept_secret).stat().st_mode & 0o077, kept_secret
    said = (folder / "restored.log").read_text()
    assert re.search(r"^tickets\|[1-9]\d*$", said, re.MULTILINE), said
