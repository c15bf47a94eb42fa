"""Things of ours that somebody changes or adds to: inputs, ids, cursors, links. And where our own requests may go."""

import ast
import base64
import contextlib
import gzip
import json
import string
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import graphql
import pytest
import urllib3
from inputs import value_of

from domain.messages import ticket_link
from infra.ids import new_id
from infra.issuer import Issuer
from resolvers.root import schema

SCHEMA = schema._schema
MUTATIONS = SCHEMA.mutation_type.fields
ROOT = Path(__file__).resolve().parents[2]

# --- What is added to an input ----------------------------------------------------------------------------------------

# What rows have, and what callers may not say of them.
ROWS_HAVE = {
    "id": "per_1", "number": 1, "seq": 1, "role": "ADMIN", "active": True, "createdAt": "2026-01-01T00:00:00Z",
    "personId": "per_1", "requesterId": "per_1", "authorId": "per_1", "ownerId": "per_1", "actorId": "per_1",
    "password": "x", "passwordHash": "x", "internal": False, "email": "a@example.com", "status": "CLOSED",
    "departmentId": "dep_1", "assigneeId": "per_1", "scope": "WRITE", "viewer": {"role": "ADMIN"}, "is_admin": True,
    "key": "../x", "bodyHtml": "<script>", "body_html": "<script>", "__typename": "Admin", "__proto__": {},
    "constructor": {}, "unit": 1, "context": 1, "self": 1,
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_an_input_takes_nothing_but_its_fields(api, database, admin, mutation):
    type_ = graphql.get_named_type(MUTATIONS[mutation].args["input"].type)
    fits = value_of(type_, {"other": lambda name: f"{name[:3]}_{new_id()}"})
    text = f"mutation ($input: {type_.name}!) {{ {mutation}(input: $input) {{ __typename }} }}"
    before = await database.counts()
    assert not graphql.validate(SCHEMA, graphql.parse(text))
    for name in ROWS_HAVE.keys() - type_.fields.keys():
        answer = await api.answer(admin, text, input=fits | {name: ROWS_HAVE[name]})
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"], name
        assert f"'{name}'" in answer["errors"][0]["message"]
    assert await database.counts() == before


# --- Ids, cursors, links ----------------------------------------------------------------------------------------------

BY_ID = "query ($id: ID!) { ticket(id: $id) { number } node(id: $id) { id } }"


async def test_an_id_that_was_changed_is_another_or_none(api, ticket, customer):
    key = ticket.id
    changed = [
        f"tkt_{key.upper()}", f"TKT_{key}", f"tkt_{key.replace('-', '')}", f"tkt_{{{key}}}", f"tkt_urn:uuid:{key}",
        f" tkt_{key}", f"tkt_{key} ", f"tkt_{key}\n", f"tkt__{key}", f"tkt{key}", key, f"tkt_{key}' OR '1'='1",
        base64.b64encode(f"Ticket:{key}".encode()).decode(), f"per_{key}", f"com_{key}", f"evt_{key}", f"ntf_{key}",
        f"tkt_{key[:-1]}", f"tkt_{key}0", f"tkt_{key[:-1]}g", f"tkt_{key[:-1]}\u0660", "tkt_" + "0" * 32,
        "tkt_*", "tkt_%", quote(f"tkt_{key}", safe=""), f"tkt_{key}%00", "tkt_0", "[]", '{"$ne": null}',
        "../tkt_" + key,
    ]  # fmt: skip
    for text in changed:
        answer = await api.answer(customer, BY_ID, id=text)
        if text == quote(f"tkt_{key}", safe=""):
            assert answer["data"]["ticket"] == {"number": ticket.number}
            continue
        assert (text, answer["data"]) == (text, {"ticket": None, "node": None})
        assert {error["extensions"]["code"] for error in answer.get("errors", [])} <= {"BAD_REQUEST"}


PAGE = """query ($after: String, $before: String) { tickets(first: 5, after: $after, before: $before) {
  nodes { requester { id } } } }"""


async def test_a_cursor_that_was_changed_shows_nobody_elses(api, submit, customer, stranger, problem):
    for viewer in (customer, stranger, customer, stranger):
        await submit(viewer, problem)
    edges = (await api(customer, "{ tickets { edges { cursor } } }"))["tickets"]["edges"]
    cursor = edges[0]["cursor"]
    others = (await api(stranger, "{ tickets { edges { cursor } } }"))["tickets"]["edges"]
    letters = "aA0_-Z~=+/"
    changed = [cursor[:n] + letter + cursor[n + 1 :] for n in range(len(cursor)) for letter in letters]
    changed += [cursor[:n] for n in range(len(cursor))] + [cursor * 2, others[0]["cursor"], others[1]["cursor"]]
    seen = 0
    for text in changed:
        answer = await api.answer(customer, PAGE, after=text)
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        assert codes <= {"BAD_REQUEST"}, (text, answer)
        nodes = (answer["data"]["tickets"] or {"nodes": []})["nodes"]
        assert all(node["requester"]["id"] == customer.gid for node in nodes)
        seen += len(nodes)
    assert seen  # a place in the list is not a right, and some are places


async def test_a_link_that_was_changed_opens_nothing(http, desk, ticket, customer):
    link = ticket_link("", desk.signer, ticket.uuid, customer.id, customer.email)
    assert (await http.get(link)).status_code == 200
    alphabet = string.ascii_letters + string.digits + "-_"
    # The last letter of a signature has bits to spare, which say nothing.
    for place in range(len("/t/"), len(link) - 1):
        letter = alphabet[(alphabet.find(link[place]) + 17) % 64]
        changed = link[:place] + letter + link[place + 1 :]
        assert (await http.get(changed)).status_code == 404, place
    for changed in (link + "x", link[:-1], link + ".", link.replace(".", "", 1), link + "/..", "/t/..%2f..%2fgraphql"):
        assert (await http.get(changed)).status_code == 404


# --- Where our own requests go ----------------------------------------------------------------------------------------

CLIENTS = {"urllib3", "httpx", "requests", "aiohttp", "urllib.request", "http.client", "websockets", "pycurl"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_only_the_issuer_that_the_settings_name_is_fetched():
    """No address that a person writes is ever followed by us: no picture, no preview, no webhook."""
    rooms = ("schema", "resolvers", "planner", "domain", "models", "workers", "infra", "web")
    modules = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 200
    fetching = {str(path.relative_to(ROOT)) for path in modules if CLIENTS & set(imported(path))}
    # The supervisor looks whether our own process answers, and a folder is named by an address.
    assert fetching == {"infra/issuer.py", "infra/supervisor.py", "infra/files.py"}


@pytest.fixture
def answering():
    """A server of somebody who would have us fetch something else; gives its address, and what it was asked for."""
    answers, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers, asked
    server.shutdown()
    server.server_close()
    thread.join()


DOCUMENT = "/.well-known/openid-configuration"
TRICKS = {
    "sent elsewhere": lambda url: {DOCUMENT: (302, {"Location": f"{url}/secret"}, b"")},
    "keys sent elsewhere": lambda url: {
        DOCUMENT: (200, {}, json.dumps({"issuer": url, "jwks_uri": f"{url}/jwks"}).encode()),
        "/jwks": (307, {"Location": f"{url}/secret"}, b""),
    },
    "a file": lambda url: {DOCUMENT: (200, {}, json.dumps({"issuer": url, "jwks_uri": "file:///etc/passwd"}).encode())},
    "another protocol": lambda url: {
        DOCUMENT: (200, {}, json.dumps({"issuer": url, "jwks_uri": "gopher://127.0.0.1:6379/_FLUSHALL"}).encode())
    },
    "no end": lambda _: {DOCUMENT: (200, {}, b'{"issuer": "' + b"x" * 300_000 + b'"}')},
    "a bomb": lambda _: {DOCUMENT: (200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * 50_000_000))},
    "levels": lambda _: {DOCUMENT: (200, {}, b"[" * 100_000)},
    "another's name": lambda url: {
        DOCUMENT: (200, {}, json.dumps({"issuer": f"{url}.evil", "jwks_uri": f"{url}/secret"}).encode())
    },
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
async def test_the_issuer_sends_us_nowhere_else(migrated, answering, trick):
    url, answers, asked = answering
    answers |= trick(url)
    issuer = Issuer(migrated.model_copy(update={"oidc_issuer": url, "oidc_audience": "us"}))
    began = time.process_time()

    with pytest.raises((ValueError, KeyError, TypeError, urllib3.exceptions.HTTPError)):
        await issuer.check()

    assert "/secret" not in asked
    assert time.process_time() - began < 1
    issuer.close()
