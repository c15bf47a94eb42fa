"""What nobody expected is reported once, and tells no stranger what people wrote."""

import json

import httpx
import pytest
import sentry_sdk
from sentry_sdk.transport import Transport
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from infra.logs import send_errors
from web.faults import Reported


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        self.events += [item.payload.json for item in envelope.items if item.type == "event"]


@pytest.fixture
def sent():
    """The errors that were sent."""
    transport = Kept()
    send_errors("https://key@sentry.test/1", "tests", transport=transport)
    yield transport.events
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


async def breaks(request):
    secret = f"canary {request.path_params['link']}"
    raise ValueError(len(secret))


async def begins_and_breaks(_request):
    async def words():
        yield b"so far"
        raise ValueError("in the middle")

    return StreamingResponse(words())


@pytest.fixture
async def client():
    """A client of an application whose routes break."""
    routes = [Route("/t/{link}", breaks), Route("/stream", begins_and_breaks)]
    app = Starlette(routes=routes, middleware=[Middleware(Reported)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as found:
        yield found


async def test_a_route_that_breaks_is_reported_once_and_answered_with_its_id(client, sent):
    with capture_logs() as logs:
        answer = await client.get("/t/canary-link", headers={"Authorization": "Bearer canary-token"})

    assert answer.status_code == 500
    (event,), (entry,) = sent, logs
    assert answer.json()["id"] == entry["error_id"] == event["tags"]["error_id"]
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert entry["endpoint"] == "breaks"


async def test_neither_logs_nor_the_report_hold_what_a_request_held(client, sent):
    with capture_logs() as logs:
        await client.get("/t/canary-link", headers={"Authorization": "Bearer canary-token"})

    said = [{key: value for key, value in entry.items() if key != "exc_info"} for entry in logs]
    assert "canary-" not in json.dumps([sent, said], default=repr)
    assert all("vars" not in frame for frame in sent[0]["exception"]["values"][0]["stacktrace"]["frames"])


async def test_what_breaks_in_the_middle_of_an_answer_is_reported_once_and_cut_off(client, sent):
    with pytest.raises(ValueError, match="in the middle"):
        await client.get("/stream")

    assert len(sent) == 1


async def test_the_real_routes_are_reported_as_well(http, monkeypatch):
    monkeypatch.setattr("infra.waiting.Watched.now", lambda _: 1 / 0)

    with capture_logs() as logs:
        answer = await http.get("/metrics")

    assert (answer.status_code, [entry["event"] for entry in logs]) == (500, ["unexpected_error"])
    assert answer.json()["id"] == logs[0]["error_id"]
