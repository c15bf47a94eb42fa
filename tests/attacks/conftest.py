"""What attackers have: a browser's headers, a socket, and a way to ask by each transport."""

import json

import httpx
import pytest


@pytest.fixture
async def browser(address):
    """A client of the real server, over a real connection."""
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
        yield client


@pytest.fixture
def asked_by(browser, socket):
    """Asks by one transport and gives the codes of the errors that come of it; none when it was answered."""

    async def over_http(method, asked, accept, token):
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
        if method == "GET":
            given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked.items()}
            answer = await browser.get("/graphql", params=given, headers=headers)
        else:
            answer = await browser.post("/graphql", json=asked, headers=headers)
        text = answer.text.partition("data: ")[2].partition("\n")[0] if "event-stream" in accept else ""
        return codes_in(json.loads(text or answer.text))

    async def over_a_socket(asked, token):
        client = await socket()
        payload = {"authorization": f"Bearer {token}"} if token else {}
        await client.send(type="connection_init", payload=payload)
        if (await client.receive_or_code())[1] is not None:
            return ["UNAUTHENTICATED"]
        await client.send(id="1", type="subscribe", payload=asked)
        message, code = await client.receive_or_code()
        if code is not None:
            return ["BAD_REQUEST"] if code == 4400 else [str(code)]
        return codes_in({"errors": message["payload"]} if message["type"] == "error" else message["payload"])

    async def asked_by(transport, asked, token=None):
        match transport:
            case "GET":
                return await over_http("GET", asked, "application/json", token)
            case "event stream":
                return await over_http("POST", asked, "text/event-stream", token)
            case "WebSocket":
                return await over_a_socket(asked, token)
        return await over_http("POST", asked, "application/json", token)

    return asked_by


def codes_in(answer):
    """The codes of an answer's errors."""
    return [error["extensions"]["code"] for error in answer.get("errors", [])]
