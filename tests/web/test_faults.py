"""What nobody expected is reported once, and tells no stranger what people wrote."""

import json

import httpx
import pytest
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, Router
from structlog.testing import capture_logs

from infra.faults import traced
from web.faults import Reported


def gives_up(*_, **__):
    raise LookupError("what a report shows around this line holds no secret of these tests")


async def breaks(request):
    raise ValueError(request.path_params["link"])


async def begins_and_breaks(_request):
    async def words():
        yield b"so far"
        raise ValueError("in the middle")

    return StreamingResponse(words())


@pytest.fixture
async def client():
    """A client of an application whose routes break."""
    routes = [Route("/t/{link}", breaks), Route("/stream", begins_and_breaks)]
    app = Reported(Router(routes), lambda _, error_id: JSONResponse({"id": error_id}, 500))
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

    said = [{**entry, "exc_info": traced(entry["exc_info"])} for entry in logs]
    assert "in breaks" in said[0]["exc_info"]
    assert "canary" not in json.dumps([sent, said], default=repr)
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

    page = await http.get("/metrics", headers={"Accept": "text/html,*/*;q=0.8"})  # whoever comes by a browser
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "Something went wrong on our side." in page.text


async def test_a_fault_in_an_operation_is_reported_once(http, monkeypatch, sent):
    monkeypatch.setattr("planner.plan.Plan.answer", lambda *_, **__: 1 / 0)

    with capture_logs() as logs:
        answer = await http.post("/graphql", json={"query": "{ desk { name } }"})

    ((error,), (event,), (entry,)) = answer.json()["errors"], sent, logs
    assert error["extensions"]["id"] == entry["error_id"] == event["tags"]["error_id"]
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"


async def test_a_page_behind_a_mailed_link_that_breaks_does_not_tell_its_path(http, monkeypatch, sent):
    monkeypatch.setattr("infra.signing.Signer.read", gives_up)

    with capture_logs() as logs:
        for method, path in (("GET", "/t/canary-token"), ("POST", "/unsubscribe/canary-token")):
            assert (await http.request(method, path)).status_code == 500

    assert len(sent) == len(logs) == 2
    said = [{**entry, "exc_info": traced(entry["exc_info"])} for entry in logs]
    assert "canary" not in json.dumps([sent, said], default=repr)
