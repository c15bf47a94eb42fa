"""Words that want to be something else: a header, a template, a line of a log, a statement, a command of a terminal."""

import io
import json
import logging
import time
from types import SimpleNamespace

import pytest
import structlog

from domain import templates, words
from domain.refusals import Problems
from infra import logs

BREAKS = ["\r\n", "\n", "\r", "\r\n\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\0"]
FORGED = "Bcc: victim@evil.example"

# --- Headers of mail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", BREAKS, ids=[end.encode("unicode_escape").decode() for end in BREAKS])
async def test_no_name_and_no_subject_ends_a_header(
    api, database, work, mailbox, house, submit, customer, agent, problem, end
):
    """What is written by the API comes tidied; what stood in the database before all rules could not do it either."""
    if end != "\0":
        ticket = await submit(customer, problem, subject=f"Help{end}{FORGED}{end}X-Evil: 1")
        assert "submitted" not in ticket
        name = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }"
        answer = await api(customer, name, input={"name": f"Carla{end}{FORGED}"})
        assert answer["updateProfile"]["__typename"] == "UpdateProfileSuccess"
        await database.rows("UPDATE departments SET name = :name", name=f"Support{end}{FORGED}")
        await work.run()

    for letter in mailbox.letters:
        assert letter.bcc in ([customer.email], [agent.email])
        assert not {"bcc", "x-evil"} & {header.lower() for header in letter.keys()}  # noqa: SIM118 # it is no dictionary
        assert all("\n" not in str(value) for value in letter.values())
        assert all(not value.startswith(("Bcc", "X-Evil")) for value in letter.values())
    assert end == "\0" or mailbox.letters


ADDRESSES = [
    f"carla@example.com{end}{FORGED}" for end in BREAKS
] + [
    "carla@example.com, victim@evil.example",
    "carla@example.com; victim@evil.example",
    "<carla@example.com> victim@evil.example",
    "carla@example.com victim@evil.example",
    "Carla <carla@example.com>",
    '"carla\r\nBcc: victim"@example.com',
    "carla@[127.0.0.1]",
    "carla%evil.example@example.com\r\nRCPT TO:<victim@evil.example>",
    "carla@example.com>\r\nDATA",
    "@evil.example:carla@example.com",
    "carla@exa mple.com",
    "carla@",
    "a@" + "b" * 250 + ".com",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_no_address_is_two_or_a_header(address):
    problems = Problems()
    assert words.email(problems, "email", address) == ""
    with pytest.raises(Exception, match="not an email address"):
        problems.refuse()


# --- Templates --------------------------------------------------------------------------------------------------------

TEMPLATES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ name.__init__.__globals__ }}",
    "{{ name['__class__'] }}",
    "{{ name|attr('__class__') }}",
    "{{ [].append(1) }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self }}",
    "{% for a in range(10**9) %}x{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "{% set a = 'x' * 10**9 %}{{ a }}",
    "{{ 'x' * 10**10 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% filter upper %}x{% endfilter %}",
    "{% raw %}{{ x }}",
    "{# a comment #}",
    "{{ name | upper }}",
    "{{ name() }}",
    "{{ name.upper }}",
    "{{ 1 + 1 }}",
    "{{ (name) if name else name }}",
    "{{ debug() }}",
    "{{" + "(" * 9_000,
    "{{" + "[" * 9_000 + "]" * 9_000 + "}}",
    "{{ " + "not " * 4_000 + "x }}",
    "{{ " + "-" * 15_000 + "1 }}",
    "{% if x %}" * 2_000,
    "{{ " + "9" * 15_000 + " }}",
    "{{" * 9_000,
    "{{ name }}" * 101,
]
SAVE = """mutation ($input: SaveMessageTemplateInput!) { saveMessageTemplate(input: $input) { __typename
  ... on InvalidInput { problems { field message } } } }"""
PREVIEW = """query ($body: String!, $id: ID) { messageTemplatePreview(body: $body, ticketId: $id) {
  body bodyHtml bodyText } }"""


@pytest.mark.parametrize("template", TEMPLATES, ids=range(len(TEMPLATES)))
async def test_a_template_holds_placeholders_and_nothing_else(api, database, admin, template):
    before = await database.counts()
    began = time.process_time()
    given = {"name": "T", "use": "EMAIL", "kind": "COMMENT_ADDED", "body": template}

    answer = (await api(admin, SAVE, input=given))["saveMessageTemplate"]
    preview = await api.answer(admin, PREVIEW, body=template)

    assert answer["__typename"] == "InvalidInput"
    assert answer["problems"][0]["message"] in {
        templates.ONLY_PLACEHOLDERS,
        f"At most {templates.MOST_PLACES} placeholders are possible.",
    }
    assert [error["extensions"]["code"] for error in preview["errors"]] == ["BAD_REQUEST"]
    assert time.process_time() - began < 2
    assert await database.counts() == before
    with pytest.raises(ValueError, match="possible"):  # whoever stored it
        templates.filled(template, {"name": "Carla"})


async def test_what_is_filled_in_is_not_a_template_itself(api, submit, customer, agent, problem):
    ticket = await submit(customer, problem, subject="{{agent}} {% for a in b %} {{ ''.__class__ }}")
    answer = await api(agent, PREVIEW, body="{{subject}}", id=ticket["id"])
    assert answer["messageTemplatePreview"]["bodyText"] == "{{agent}} {% for a in b %} {{ ''.__class__ }}"


async def test_a_long_word_in_many_places_is_no_flood(api, submit, customer, agent, problem):
    """A hundred times a comment of 20,000 characters would keep a process busy for ten seconds."""
    ticket = await submit(customer, problem, body="*x* [y](https://z.example/) " * 700)
    say = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await api(customer, say, input={"ticketId": ticket["id"], "body": "*x* [y](https://z.example/) " * 700})
    began = time.process_time()

    answer = (await api(agent, PREVIEW, body="{{comment}}" * 100, id=ticket["id"]))["messageTemplatePreview"]

    assert len(answer["body"]) == templates.MOST_FILLED == 40_000
    assert time.process_time() - began < 3


def test_no_text_of_markdown_takes_long():
    """Tables whose rows leave out what their head has were the worst: 65,536 cells out of 20,000 characters."""
    texts = [
        "[" * 20_000,
        "*a **a " * 2_800,
        ">" * 20_000,
        "|" + "x|" * 140 + "\n|" + "-|" * 140 + "\n" + "|x\n" * 6_000,
    ]
    texts += [
        "![[]()" * 3_300,
        "<a " * 6_600,
        "http://" * 2_800,
        "`" * 20_000,
        "- " * 10_000,
        "~~a" * 6_600,
        "a@" * 10_000,
    ]
    for text in texts:
        began = time.process_time()
        html = words.html(text[:20_000])
        assert time.process_time() - began < 1, text[:20]
        assert len(html) < 400_000, text[:20]


# --- Logs and terminals -----------------------------------------------------------------------------------------------

HOSTILE = "x\n2026-11-29T00:00:00Z [info] FORGED\r\x1b[2J\x1b]0;title\x07\x9b2J\u2028y"


@pytest.fixture
def logged(monkeypatch):
    """What is logged in production by our own code and by libraries."""
    out = io.StringIO()
    monkeypatch.setattr(logs.sys, "stderr", out)
    before = structlog.get_config(), logging.getLogger().handlers[:], logging.getLogger().level
    settings = SimpleNamespace(log_format="json", log_level="INFO", sentry_dsn=None, environment="production")
    logs.configure(settings, "api")
    yield out.getvalue
    structlog.configure(**before[0])
    logging.getLogger().handlers[:] = before[1]
    logging.getLogger().setLevel(before[2])
    structlog.contextvars.clear_contextvars()


def test_each_entry_of_a_log_is_one_line(logged):
    structlog.get_logger("x").warning("said", error=HOSTILE, facts={HOSTILE: HOSTILE})
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        logs.report(error, operation=HOSTILE)
    logging.getLogger("a.library").error("It said %s", HOSTILE)

    lines = logged().splitlines()

    assert [json.loads(line)["event"][:7] for line in lines] == ["said", "unexpec", "It said"]
    assert not any(letter in logged() for letter in ("\x1b", "\x07", "\x9b", "\r", "\u2028"))


async def test_what_people_write_is_not_logged(logged, api, submit, customer, problem, work, database):
    await submit(customer, problem, subject="[canary-subject]", body="[canary-body]")
    await work.run()
    await api.answer(customer, 'query { ticket(id: "[canary-id]") { id } }')
    await database.rows("ALTER TABLE tickets RENAME COLUMN subject TO gone")
    try:
        await api.answer(customer, '{ tickets(filter: {text: "[canary-filter]"}) { nodes { subject } } }')
    finally:
        await database.rows("ALTER TABLE tickets RENAME COLUMN gone TO subject")
    assert "unexpected_error" in logged()
    assert "canary" not in logged()
    assert customer.token not in logged()


@pytest.mark.parametrize(
    "say", ["\x1b[2J", "\x1b]0;x\x07", "\x9b2J", "\x90x\x9c", "a\x08\x08b", "\u202eevil", "\u2066x"]
)
def test_no_name_commands_a_terminal_or_turns_its_neighbours_around(say):
    problems = Problems()
    assert words.line(problems, "name", f"Carla {say}", most=200, what="The name").isprintable()
    problems.refuse()


@pytest.mark.parametrize("name", ["\u200b", "\u2060 \ufeff", "\xad", "\u202e", "\x9b", "\u2003", "\U000e0041"])
async def test_what_nobody_sees_is_no_name(api, database, customer, name):
    before = await database.rows("SELECT name FROM people")
    text = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }"
    assert (await api(customer, text, input={"name": name}))["updateProfile"]["__typename"] == "InvalidInput"
    assert await database.rows("SELECT name FROM people") == before


# --- Statements -------------------------------------------------------------------------------------------------------

STATEMENTS = [
    "'; DROP TABLE tickets; --",
    "\\'; SELECT 1; --",
    "$$; SELECT pg_sleep(9); $$",
    "%' OR '1'='1",
    "a\\",
    "' || x || '",
]
STATEMENTS += ["%", "_", "\\%", "a & b | !c:*", "'''", "<->", "(", "%s", ":id", "$1", "{0}", "a" * 200]
SEARCHES = {
    "tickets": "query ($v: String!) { tickets(filter: {text: $v}) { totalCount edges { highlightHtml } } }",
    "tags": "query ($v: String!) { tickets(filter: {tags: [$v]}) { totalCount } }",
    "people": "query ($v: String!) { people(filter: {text: $v}) { totalCount } }",
    "articles": "query ($v: String!) { articles(filter: {text: $v}) { totalCount edges { highlightHtml } } }",
    "suggestions": "query ($v: String!) { articleSuggestions(text: $v) { score } }",
    "slugs": "query ($v: String!) { articleBySlug(slug: $v) { id } }",
    "templates": "query ($v: String!) { messageTemplates(filter: {text: $v}) { totalCount } }",
    "previews": "query ($v: String!) { messageTemplatePreview(body: $v) { body } }",
    "the log": "query ($v: String!) { auditEntries(filter: {actions: [$v]}) { totalCount } }",
}  # fmt: skip


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
async def test_no_word_is_a_statement(api, ticket, director, admin, database, search):
    before = await database.counts()
    for word in STATEMENTS:
        answer = await api.answer(admin, search, v=word)
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        assert codes <= {"BAD_REQUEST"}, (word, answer)
    assert await database.counts() == before
