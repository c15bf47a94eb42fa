"""GraphQL over HTTP: media types, status codes, and all that is no operation."""

import asyncio
import hashlib
import json
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

RESPONSE_JSON = "application/graphql-response+json; charset=utf-8"
PLAIN_JSON = "application/json; charset=utf-8"
DESK = {"query": "{ desk { name } }"}
INVALID = {"query": "{ nonsense }"}
TICKET = "query ($id: ID!) { ticket(id: $id) { subject } }"


def code_of(response):
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


@pytest.mark.parametrize(
    ("accept", "media_type", "invalid"),
    [
        (None, RESPONSE_JSON, 400),
        ("*/*", RESPONSE_JSON, 400),
        ("", RESPONSE_JSON, 400),
        ("application/*", RESPONSE_JSON, 400),
        ("application/graphql-response+json", RESPONSE_JSON, 400),
        ("application/GraphQL-Response+JSON; charset=utf-8", RESPONSE_JSON, 400),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE_JSON, 400),
        ("application/json", PLAIN_JSON, 200),
        ("text/html, application/json", PLAIN_JSON, 200),
        ("text/html, */*;q=0.1", RESPONSE_JSON, 400),
        ("application/json, text/plain, */*", PLAIN_JSON, 200),
        ("application/graphql-response+json;q=0.5, application/json", PLAIN_JSON, 200),
        ("application/json ; charset=utf-8 ; q=0.9 , application/graphql-response+json;q=0.1", PLAIN_JSON, 200),
        ("application/graphql-response+json;q=0, */*", PLAIN_JSON, 200),
        ("application/json;q=0.5, */*", RESPONSE_JSON, 400),
        ("text/event-stream;q=0, */*", RESPONSE_JSON, 400),
    ],
)
async def test_what_the_client_takes_decides_the_media_type_and_the_status(http, accept, media_type, invalid):
    headers = {} if accept is None else {"Accept": accept}

    good, bad = (
        await http.post("/graphql", json=DESK, headers=headers),
        await http.post("/graphql", json=INVALID, headers=headers),
    )

    assert (good.status_code, good.headers["content-type"]) == (200, media_type)
    assert good.json()["data"] == {"desk": {"name": "Deskwire"}}
    assert (bad.status_code, bad.headers["content-type"]) == (invalid, media_type)
    assert "data" not in bad.json()
    assert code_of(bad) == "BAD_REQUEST"


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/png",
        "text/plain, application/xml",
        "application/json-seq",
        "application/json;q=0, text/event-stream;q=0.0",
        "*/*;q=0",
        ";,;/",
    ],
)
async def test_who_takes_none_of_ours_is_told(http, accept):
    answer = await http.post("/graphql", json=DESK, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (406, PLAIN_JSON)


async def test_what_is_taken_may_be_said_in_several_headers(http):
    headers = [("Accept", "application/json"), ("Accept", "image/png")]
    answer = await http.post("/graphql", json=INVALID, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, PLAIN_JSON)


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
async def test_only_json_is_taken_so_no_form_of_another_page_can_ask(http, media_type):
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = await http.post("/graphql", content=json.dumps(DESK), headers=headers)
    assert answer.status_code == 415
    assert answer.headers["accept-post"] == "application/json"


@pytest.mark.parametrize("media_type", ["application/json", "application/json;charset=utf-8", "Application/JSON ; x=y"])
async def test_json_may_have_parameters(http, media_type):
    answer = await http.post("/graphql", content=json.dumps(DESK), headers={"Content-Type": media_type})
    assert answer.status_code == 200


DEEP = 10_000
GARBAGE = {
    "nothing": b"",
    "blank": b"  \n",
    "text": b"query { desk { name } }",
    "half": b'{"query": "{ desk',
    "a number": b"3",
    "a big integer": b"9" * 5000,
    "a big exponent": b"1e999999",
    "null": b"null",
    "true": b"true",
    "a string": b'"{ desk { name } }"',
    "an array": b"[]",
    "a batch": json.dumps([DESK, DESK]).encode(),
    "no query": b"{}",
    "another name": b'{"Query": "{ desk { name } }"}',
    "query is null": b'{"query": null}',
    "query is a number": b'{"query": 3}',
    "query is an array": b'{"query": ["{ desk { name } }"]}',
    "query is empty": b'{"query": ""}',
    "query is blank": b'{"query": " \\n "}',
    "query is a comment": b'{"query": "# nothing"}',
    "variables are a list": b'{"query": "{ desk { name } }", "variables": []}',
    "variables are text": b'{"query": "{ desk { name } }", "variables": "{}"}',
    "name is a number": b'{"query": "{ desk { name } }", "operationName": 1}',
    "name of nothing": b'{"query": "query A { desk { name } }", "operationName": "B"}',
    "two operations": b'{"query": "query A { desk { name } } query B { desk { name } }"}',
    "extensions are a list": b'{"query": "{ desk { name } }", "extensions": []}',
    "not UTF-8": b'{"query": "{ desk { name } } # \xff\xfe"}',
    "UTF-16": json.dumps(DESK).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(DESK).encode(),
    "a null byte": b"\0",
    "null bytes": b'{"query": "{ desk { name } }\0"}',
    "NaN": b'{"query": "{ desk { name } }", "variables": {"a": NaN}}',
    "a lone surrogate": b'{"query": "{ desk { name } }", "variables": {"a": "\\ud800"}}',
    "deep JSON": b'{"query": "{ desk { name } }", "variables": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep JSON objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "unfinished deep JSON": b"[" * DEEP,
    "two documents": json.dumps(DESK).encode() * 2,
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_refused_and_nobody_is_alarmed(http, body):
    with capture_logs() as logs:
        answer = await http.post("/graphql", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert code_of(answer) == "BAD_REQUEST"
    assert list(answer.json()) == ["errors"]
    assert logs == []


DOCUMENTS = {
    "selections": "{ " + "desk { " * DEEP + "name" + " }" * DEEP + " }",
    "unfinished selections": "{ desk " * DEEP,
    "lists": "{ ticket(id: " + "[" * DEEP + "]" * DEEP + ") { id } }",
    "objects": "{ tickets(filter: " + "{mine: " * DEEP + "1" + "}" * DEEP + ") { totalCount } }",
    "types": "query ($a: " + "[" * DEEP + "ID" + "]" * DEEP + ") { ticket(id: $a) { id } }",
    "spreads": "{ " + "... { " * DEEP + "__typename" + " }" * DEEP + " }",
    "fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(2000))
    + " fragment f2000 on Query { __typename }",
    "a circle": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "introspection": "{ __schema { types { " + "fields { type { " * 50 + "name" + " } }" * 50 + " } } }",
    "brackets": "{" * DEEP,
    "a surrogate": '{ ticket(id: "\\ud800") { id } }',
    "an unknown escape": '{ ticket(id: "\\u{110000}") { id } }',
    "a nul": '{ ticket(id: "tkt_\\u0000") { id } }',
    "a nul in braces": '{ ticket(id: "tkt_\\u{000}") { id } }',
    "a nul behind a backslash": '{ ticket(id: "\\\\\\u0000") { id } }',
    "a raw nul": '{ ticket(id: "\0") { id } }',
    "a huge number": "{ ticketByNumber(number: " + "9" * 5000 + ") { id } }",
    "a huge exponent": "{ ticketByNumber(number: 1e999999) { id } }",
    "a type": "type Query { a: Int }",
    "nothing selected": "query A",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
async def test_documents_that_are_none_are_refused(api, customer, document):
    with capture_logs() as logs:
        answer = await api.post(customer, document)

    assert answer.status_code == 400
    assert list(answer.json()) == ["errors"]
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} <= {"BAD_REQUEST", "TOO_COSTLY"}
    assert logs == []


async def test_a_backslash_before_u0000_is_only_text(api, customer, problem):
    """And is kept as it came."""
    text = """mutation ($category: ID!) { submitTicket(input: {
      subject: "C:\\\\u0000", body: "x", categoryId: $category}) {
      ... on SubmitTicketSuccess { ticket { subject } } } }"""
    answer = await api(customer, text, category=problem.gid)
    assert answer["submitTicket"]["ticket"]["subject"] == "C:\\u0000"


NUMBERED = "query ($value: Int!) { ticketByNumber(number: $value) { id } }"
BY_ID = "query ($value: ID!) { ticket(id: $value) { id } }"
LISTED = "query ($value: TicketFilter) { tickets(filter: $value) { totalCount } }"
PAGED = "query ($value: String) { tickets(first: 1, after: $value) { totalCount } }"
ENUM = "query ($value: [TicketStatus!]) { tickets(filter: {statuses: $value}) { totalCount } }"
SIGN_IN = "mutation ($value: String!) { signIn(input: {email: $value, password: $value}) { __typename } }"
NESTED = {"deep": [[[[{"a": [{"b": [["x"]]}]}]]]]}
WRONG = {
    "a missing one": (BY_ID, {}),
    "null": (BY_ID, {"value": None}),
    "true for an ID": (BY_ID, {"value": True}),
    "a list for an ID": (BY_ID, {"value": ["tkt_1"]}),
    "an object for an ID": (BY_ID, {"value": NESTED}),
    "text for an Int": (NUMBERED, {"value": "1"}),
    "a fraction for an Int": (NUMBERED, {"value": 1.5}),
    "more than an Int": (NUMBERED, {"value": 2**31}),
    "more than 64 bits": (NUMBERED, {"value": 2**64}),
    "much more": (NUMBERED, {"value": 10**400}),
    "less than an Int": (NUMBERED, {"value": -(2**63)}),
    "a list for an input": (LISTED, {"value": [1]}),
    "text for an input": (LISTED, {"value": "mine"}),
    "an unknown field": (LISTED, {"value": {"nonsense": 1}}),
    "a wrong member": (LISTED, {"value": {"mine": "yes"}}),
    "no enum": (ENUM, {"value": ["NONSENSE"]}),
    "a list in an enum": (ENUM, {"value": [["OPEN"]]}),
    "an object in an enum": (ENUM, {"value": {"a": 1}}),
    "a number for text": (SIGN_IN, {"value": 3}),
    "a nul in an ID": (BY_ID, {"value": "tkt_\0"}),
    "a nul in a cursor": (PAGED, {"value": "\0"}),
    "a nul in an email": (SIGN_IN, {"value": "a\0@example.com"}),
    "a nul in a list": (LISTED, {"value": {"tags": ["a", "\0"]}}),
    "a nul in a name": (LISTED, {"value": {"\0": 1}}),
    "a nul in what is not used": (BY_ID, {"value": "tkt_1", "other": NESTED | {"z": "\0"}}),
}


@pytest.mark.parametrize(("query", "variables"), WRONG.values(), ids=WRONG.keys())
async def test_variables_of_other_types_are_refused(api, customer, query, variables):
    with capture_logs() as logs:
        answer = await api.post(customer, query, **variables)

    assert answer.status_code == 400
    assert list(answer.json()) == ["errors"]
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"BAD_REQUEST"}
    assert logs == []


CURSORS = ["x", "", "-1", "AAAA", "%%%", "eyJhIjoxfQ==", "💥", "null", "[1]", "9" * 5000, "é" * 300, "a\nb"]


@pytest.mark.parametrize("cursor", CURSORS)
async def test_a_bad_cursor_is_refused_in_our_words(api, customer, cursor):
    with capture_logs() as logs:
        answer = await api.post(customer, PAGED.replace("totalCount", "nodes { id }"), value=cursor)

    assert answer.status_code == 200
    assert code_of(answer) == "BAD_REQUEST"
    assert answer.json()["errors"][0]["message"].endswith("This is not a cursor of this list.")
    assert logs == []


@pytest.mark.parametrize(
    "value", ["nonsense", "tkt_", "", "tkt_" + "9" * 5000, "per_00000000-0000-7000-8000-000000000000"]
)
async def test_ids_that_are_none_are_refused(api, customer, value):
    with capture_logs() as logs:
        answer = await api.post(customer, BY_ID, value=value)

    assert answer.status_code == 200
    assert code_of(answer) == "BAD_REQUEST"
    assert logs == []


async def test_a_nul_in_what_is_written_changes_nothing(api, database, customer, problem):
    submit = "mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename } }"
    before = await database.counts()
    for field in ("subject", "body", "otherTopic", "idempotencyKey"):
        given = {"subject": "s", "body": "b", "categoryId": problem.gid} | {field: "a\0b"}
        assert (await api.post(customer, submit, input=given)).status_code == 400
    assert await database.counts() == before


FLOODS = {
    "aliases": "{ " + " ".join(f"a{n}: desk {{ name }}" for n in range(2000)) + " }",
    "fields": "{ desk { " + "name " * 3000 + "} }",
    "directives": "{ desk { name " + "@skip(if: false) " * 1000 + "} }",
    "tokens": "{ desk { " + "name " * 10_000 + "} }",
    "depth": '{ __type(name: "Ticket") { ' + "ofType { " * 20 + "name" + " }" * 22,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "text/event-stream"])
@pytest.mark.parametrize("method", ["GET", "POST", "hash"])
async def test_a_flood_is_refused_however_it_comes(http, flood, accept, method):
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(flood.encode()).hexdigest()}}
    asked = {"GET": {"params": {"query": flood}}, "POST": {"json": {"query": flood}}}
    asked["hash"] = {"json": {"query": flood, "extensions": extensions}}
    async with asyncio.timeout(1):
        answer = await http.request(
            method.replace("hash", "POST"), "/graphql", headers={"Accept": accept}, **asked[method]
        )
    assert answer.status_code == (400 if accept == "application/graphql-response+json" else 200)
    body = answer.text.partition("data: ")[2].partition("\n")[0] if accept == "text/event-stream" else answer.text
    (error,) = json.loads(body)["errors"]
    assert error["extensions"]["code"] == "TOO_COSTLY"


async def test_a_body_has_a_limit(http):
    answer = await http.post("/graphql", json=DESK | {"extensions": {"x": "x" * 2**20}})
    assert (answer.status_code, code_of(answer)) == (413, "BAD_REQUEST")

    async def chunks():
        for _ in range(20):
            yield b" " * 2**16

    answer = await http.post("/graphql", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_a_length_that_is_no_number_is_refused(http):
    headers = {"Content-Type": "application/json", "Content-Length": "ten"}
    assert (await http.post("/graphql", content=b"{}", headers=headers)).status_code == 400


async def test_queries_may_come_by_get(http, api, customer, ticket):
    answer = await http.get("/graphql", params=DESK)
    assert answer.json()["data"] == {"desk": {"name": "Deskwire"}}

    params = {"query": "query A { desk { name } } " + TICKET.replace("query", "query B"), "operationName": "B"}
    params["variables"] = json.dumps({"id": ticket.gid})
    answer = await http.get("/graphql", params=params, headers={"Authorization": f"Bearer {customer.token}"})
    assert answer.json()["data"] == {"ticket": {"subject": "Printer on fire"}}


@pytest.mark.parametrize(
    "params",
    [
        "",
        "query=",
        "query=%00",
        "query={desk{name",
        "query={desk{name}}&variables=nonsense",
        "query={desk{name}}&variables=[]",
        "query={desk{name}}&variables=%00",
        "query={desk{name}}&extensions=1",
        "query={desk{name}}&variables=" + "[" * 2000,
        "query=%ff%fe",
        "query={articleSuggestions(text:%22caf%e9%22){article{id}}}",
        "&".join(f"a{n}=1" for n in range(50)),
        "query=" + quote(TICKET) + "&variables=" + quote('{"id": "\\u0000"}'),
    ],
)
async def test_what_is_no_query_by_get_is_refused(http, params):
    with capture_logs() as logs:
        answer = await http.get(f"/graphql?{params}")
    assert answer.status_code == 400
    assert logs == []


async def test_mutations_do_not_come_by_get(http, database):
    query = 'mutation { requestSignInLink(input: {email: "a@example.com"}) { __typename } }'
    before = await database.counts()
    answer = await http.get("/graphql", params={"query": query})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert await database.counts() == before


async def test_subscriptions_need_a_socket(http, ticket):
    query = f'subscription {{ ticketUpdated(id: "{ticket.gid}") {{ id }} }}'
    assert (await http.post("/graphql", json={"query": query})).status_code == 400
    assert (await http.get("/graphql", params={"query": query})).status_code == 400


async def test_operations_are_counted_and_those_that_cannot_be(http):
    async def counted(name):
        lines = (await http.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    names = 'deskwire_operation_seconds_count{kind="query"}', "deskwire_refused_documents_total"
    before = [await counted(name) for name in names]
    for asked in (DESK, DESK, INVALID):
        await http.post("/graphql", json=asked)
    assert [await counted(name) for name in names] == [before[0] + 2, before[1] + 1]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "TRACE", "NONSENSE"])
async def test_other_methods_are_not_served(http, method):
    answer = await http.request(method, "/graphql", params=DESK)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, OPTIONS")


async def test_options_tell_the_methods(http):
    for accept in ("*/*", "image/png"):
        answer = await http.options("/graphql", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["allow"], answer.content) == (204, "GET, POST, OPTIONS", b"")
        assert not {"content-length", "content-type"} & set(answer.headers)  # RFC 9110, 8.6


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic YTpi",
        "Bearer a.b.c",
        "Bearer " + "x" * 9000,
        b"Bearer \xff\xfe",
        b"\xe9",
    ],
)
async def test_a_bad_token_is_no_token(http, authorization):
    with capture_logs() as logs:
        answer = await http.post("/graphql", json=DESK, headers={"Authorization": authorization})
    if authorization == "":
        assert answer.status_code == 200  # nothing was claimed
        return
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert code_of(answer) == "UNAUTHENTICATED"
    assert logs == []


async def test_tokens_of_elsewhere_and_of_other_times_are_no_tokens(http, desk, customer):
    claims = {
        "iss": desk.settings.public_url,
        "aud": "deskwire",
        "sub": str(customer.id),
        "sid": str(customer.session_id),
    }
    claims |= {"role": "ADMIN", "ticket": None}
    made = {
        "another issuer": desk.signer.sign("access", claims | {"iss": "http://elsewhere"}, 60),
        "another audience": desk.signer.sign("access", claims | {"aud": "elsewhere"}, 60),
        "another purpose": desk.signer.sign("refresh", claims, 60),
        "over": desk.signer.sign("access", claims, -1),
        "a role that went": desk.signer.sign("access", claims | {"role": "EMPEROR"}, 60),
        "no session": desk.signer.sign("access", claims | {"sid": "x"}, 60),
        "too little": desk.signer.sign("access", {"iss": claims["iss"], "aud": "deskwire"}, 60),
    }
    for name, token in made.items():
        answer = await http.post("/graphql", json=DESK, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, name


@pytest.fixture
async def broken(database):
    """Breaks a column of a table, so that whatever needs it fails as nobody expects; mends it afterwards."""
    renamed = []

    async def breaking(table, column):
        await database.rows(f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_gone")
        renamed.append((table, column))

    yield breaking
    for table, column in renamed:
        await database.rows(f"ALTER TABLE {table} RENAME COLUMN {column}_gone TO {column}")


async def test_what_nobody_expects_is_masked_and_found_again_by_its_id(api, broken, customer, ticket):
    await broken("tickets", "subject")

    with capture_logs() as logs:
        answer = await api.post(
            customer, "query ($id: ID!) { desk { name } ticket(id: $id) { subject } }", id=ticket.gid
        )

    assert answer.status_code == 200
    assert answer.json()["data"] == {"desk": {"name": "Deskwire"}, "ticket": None}
    (error,) = answer.json()["errors"]
    assert error["path"] == ["ticket"]
    assert error["message"] == "Something went wrong on our side."
    assert error["extensions"].keys() == {"code", "id"}
    assert error["extensions"]["code"] == "INTERNAL"
    (logged,) = [log for log in logs if log["event"] == "unexpected_error"]
    assert logged["error_id"] == error["extensions"]["id"]
    assert "subject" in repr(logged["exc_info"])
    assert "subject" not in answer.text.replace("ticket", "")


async def test_a_mutation_that_fails_changes_nothing(api, broken, database, customer, problem):
    await broken("jobs", "due_at")
    before = await database.counts()
    submit = "mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename } }"

    with capture_logs() as logs:
        given = {"subject": "s", "body": "b", "categoryId": problem.gid}
        answer = await api.post(customer, submit, input=given)

    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert [log["error_id"] for log in logs] == [error["extensions"]["id"]]
    assert await database.counts() == before


async def test_even_what_breaks_the_engine_is_an_answer(http, application, monkeypatch):
    def breaks(*_):
        raise RecursionError("too deep")

    monkeypatch.setattr("planner.engine.Engine.operation", breaks)
    with capture_logs() as logs:
        answer = await http.post("/graphql", json=DESK)

    assert (answer.status_code, code_of(answer)) == (500, "INTERNAL")
    assert [log["error_id"] for log in logs] == [answer.json()["errors"][0]["extensions"]["id"]]


async def test_what_nobody_expects_is_counted_though_it_is_answered(http, api, broken, customer, ticket):
    """Or nobody is woken: an operation that fails is an answer like any other."""

    async def counted():
        lines = (await http.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith("deskwire_unexpected_errors_total ")).split()[1])

    before = await counted()
    asked = "query ($id: ID!) { ticket(id: $id) { subject } }"
    await api.post(customer, asked, id=ticket.gid)
    await http.post("/graphql", json=INVALID)
    assert await counted() == before

    await broken("tickets", "subject")
    with capture_logs():
        answer = await api.post(customer, asked, id=ticket.gid)
    assert answer.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert await counted() == before + 1
