"""The clients that front ends use: each signs in, looks around, submits a ticket and watches it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OTTO = "Otto Other"


def is_a_round_trip(told, name):
    """Whether a client read, wrote and was refused as it should."""
    assert (told["viewer"], told["refused"], told["subject"]) == (OTTO, "InvalidInput", f"By {name}")
    return True


def is_watched(items, name):
    """Whether items came of the right ticket alone: as it was, and with the comment that was made meanwhile."""
    assert set(items["subjects"]) == {f"By {name}"}
    assert items["comments"][-1] == items["comments"][0] + 1
    return True


async def test_graphql_ws(run):
    told = await run("graphql_ws.mjs")

    assert is_a_round_trip(told, "graphql-ws")
    assert is_watched(told["items"], "graphql-ws")
    assert (told["invalid"], told["forbidden"]) == ("BAD_REQUEST", 4403)
    assert told["unknown"] == "PersistedQueryNotFound"
    assert told["sent"] == told["persisted"]
    assert told["sent"]["viewer"]["person"]["name"] == OTTO


async def test_graphql_sse(run):
    told = await run("graphql_sse.mjs")

    assert is_a_round_trip(told, "graphql-sse")
    assert is_watched(told["items"], "graphql-sse")
    assert (told["invalid"], told["forbidden"]) == ("BAD_REQUEST", 401)
    assert (told["hidden"], told["unauthenticated"]) == ([], ["UNAUTHENTICATED"])


async def test_apollo_client(run):
    told = await run("apollo.mjs")

    assert is_a_round_trip(told, "Apollo Client")
    assert is_watched(told["items"], "Apollo Client")
    missing = {"__typename": "InvalidInput"}
    assert told["messages"] == [missing, {**missing, "message": "This can't be empty."}]  # as docs/front-ends.md says
    for invalid in told["invalid"].values():
        assert invalid == ["CombinedGraphQLErrors", "BAD_REQUEST"]
    for name, persisted in told["persisted"].items():
        method = name.split()[1]
        assert persisted["names"] == [OTTO, OTTO]
        # The hash alone, then with the text, and ever after alone.
        assert persisted["requests"] == [
            [method, False, True, 200],
            ["POST", True, True, 200],
            [method, False, True, 200],
        ], name


def shown(word):
    """The piece of JavaScript that the guide for front ends shows with this word in it."""
    guide = (ROOT / "docs/front-ends.md").read_text()
    (found,) = [piece for piece in re.findall(r"```js\n(.*?)```", guide, re.DOTALL) if word in piece]
    return found


async def test_a_socket_as_the_guide_sets_it_up_outlives_all_but_the_session(run, packages):
    hasty = re.sub(r"\b(\d+)_000\b", r"\g<1>0", shown("liveClient"))  # hundredths of what it says
    (packages / "front_ends_live.js").write_text(hasty)

    told = await run("graphql_ws_lost.mjs")

    assert told == {"items": [0, 1, 2, 3], "connections": 4, "ended": "SignedOut"}


async def test_apollos_cache_as_the_guide_sets_it_up(run, packages):
    (packages / "front_ends_cache.js").write_text(shown("InMemoryCache"))

    told = await run("apollo_cache.mjs")

    assert told == {
        "complaints": [],
        "desks": ["Deskwire", True],
        "pages": ["Cached A", "Cached B", "Cached C"],
        "resolution": ["REJECTED", "<p>Water.</p>"],
        "presence": "TYPING",
        "gapless": True,
    }


async def test_apollo_client_3(run):
    told = await run("apollo_3.mjs")

    assert len(told["persisted"]) == 3
    for accept, persisted in told["persisted"].items():
        assert persisted["names"] == ["Deskwire", "Deskwire"]
        assert persisted["requests"] == [[False, 200], [True, 200], [False, 200]], accept


async def test_urql(run):
    told = await run("urql.mjs")

    assert is_a_round_trip(told, "urql")
    assert is_watched(told["items"]["socket"], "urql")
    assert is_watched(told["items"]["stream"], "urql")
    assert told["invalid"] == [None, "BAD_REQUEST"]
    for method, persisted in told["persisted"].items():
        assert persisted["names"] == [OTTO, OTTO]
        assert persisted["requests"] == [[method, False, 200], [method, True, 200], [method, False, 200]]


@pytest.fixture
def compiled(packages):
    """What Relay's compiler makes of the operations in `relay/`, by the printed API."""
    folder = packages / "relay"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "relay", folder)
    shutil.copy(HERE / "desk.mjs", folder)
    shutil.copy(ROOT / "schema/schema.graphql", folder)
    (folder / "artifacts").mkdir()
    compiler = packages / "node_modules/.bin/relay-compiler"
    done = subprocess.run(
        [compiler, "relay.config.json"], cwd=folder, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_relay_accepts_the_api(compiled):
    made = {path.name.partition(".")[0] for path in (compiled / "artifacts").iterdir()}
    assert {"ticketsListQuery", "ticketsPageQuery", "ticketsTicketQuery", "tickets_list", "tickets_ticket"} <= made


async def test_relay(run, compiled):
    told = await run("relay/relay.mjs")

    assert told["firstPage"] == ["Relay C", "Relay B"]
    assert told["hasNextPage"] is True
    assert told["bothPages"] == ["Relay C", "Relay B", "Relay A"]
    assert told["prepended"] == ["Relay D", "Relay C", "Relay B", "Relay A"]
    assert told["again"] is True
    first, second = told["watched"]
    assert first < second
