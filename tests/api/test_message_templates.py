"""Message templates: keeping, listing and trying them, and what may stand in one."""

import pytest

from domain import templates
from models import NotificationKind, Role

TEMPLATE = "id name use kind locale subject body placeholders department { name } updatedAt"
SAVE = f"""mutation ($input: SaveMessageTemplateInput!) {{ saveMessageTemplate(input: $input) {{ __typename
  ... on SaveMessageTemplateSuccess {{ messageTemplate {{ {TEMPLATE} }} }}
  ... on InvalidInput {{ field problems {{ field message }} }} ... on NotFound {{ field }}
  ... on NotAllowed {{ message }} ... on Conflict {{ reason current {{ id }} }} }} }}"""
DELETE = """mutation ($id: ID!) { deleteMessageTemplate(input: {messageTemplateId: $id}) { __typename
  ... on DeleteMessageTemplateSuccess { deletedId } ... on NotFound { field } ... on NotAllowed { message } } }"""
LISTED = """query ($filter: MessageTemplateFilter) { messageTemplates(filter: $filter) {
  totalCount nodes { name } } }"""
PREVIEW = """query ($subject: String, $body: String!, $id: ID) {
  messageTemplatePreview(subject: $subject, body: $body, ticketId: $id) {
  subject body bodyHtml bodyText unknownPlaceholders } }"""
BY_ID = "query ($id: ID!) { node(id: $id) { id ... on MessageTemplate { name } } }"
NOWHERE = "00000000-0000-7000-8000-000000000000"
REPLY = {"name": "Thanks", "use": "REPLY", "body": "Dear {{name}}, thank you."}
EMAIL = {
    "name": "A comment",
    "use": "EMAIL",
    "kind": "COMMENT_ADDED",
    "subject": "[#{{number}}] {{subject}}",
    "body": "{{agent}} wrote: {{comment}}",
}


@pytest.fixture
async def lead(house, support):
    return await house.person("Leo Lead", Role.TEAM_LEAD, support)


@pytest.fixture
def save(api, admin):
    """Saves a template, as an admin unless somebody is named; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        answer = (await api(viewer, SAVE, input=given))["saveMessageTemplate"]
        return answer.get("messageTemplate") or answer

    return saved


async def test_a_lead_writes_a_reply_for_their_department(save, lead, support):
    made = await save(lead, **REPLY, departmentId=support.gid, locale="pt-BR")

    assert made.pop("id").startswith("tpl_")
    assert made.pop("updatedAt")
    assert made == {
        "name": "Thanks",
        "use": "REPLY",
        "kind": None,
        "locale": "pt-BR",
        "subject": None,
        "body": "Dear {{name}}, thank you.",
        "placeholders": ["name", "desk", "link", "number", "subject", "status", "department", "agent"],
        "department": {"name": "Technical Support"},
    }


async def test_an_admin_words_emails_and_saving_takes_the_whole_form(save):
    made = await save(**EMAIL)
    assert (made["kind"], made["locale"], made["subject"]) == ("COMMENT_ADDED", "en", "[#{{number}}] {{subject}}")
    assert "comment" in made["placeholders"]

    again = await save(messageTemplateId=made["id"], **EMAIL | {"use": "IN_APP", "kind": "MENTIONED", "subject": None})

    assert (again["id"], again["use"], again["kind"], again["subject"]) == (made["id"], "IN_APP", "MENTIONED", None)
    assert again["updatedAt"] > made["updatedAt"]


@pytest.mark.parametrize("kind", NotificationKind)
async def test_each_kind_says_its_own_placeholders(save, kind):
    body = " ".join(f"{{{{ {name} }}}}" for name in templates.PLACEHOLDERS[kind])
    made = await save(**EMAIL | {"kind": kind.name, "subject": None, "body": body})
    assert made["placeholders"] == list(templates.PLACEHOLDERS[kind])


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (REPLY | {"name": ""}, ["name"]),
        (REPLY | {"name": "x" * 101, "body": " "}, ["name", "body"]),
        (REPLY | {"body": "x" * 20_001}, ["body"]),
        (REPLY | {"locale": "not a language"}, ["locale"]),
        (REPLY | {"kind": "MENTIONED"}, ["kind"]),
        (REPLY | {"subject": "x"}, ["subject"]),
        (REPLY | {"body": "{{name}} {{nme}} {{comment}}"}, ["body", "body"]),
        (REPLY | {"body": "{{name.first}}"}, ["body"]),
        (REPLY | {"body": "{{name|upper}}"}, ["body"]),
        (REPLY | {"body": "{{ 7 * 7 }}"}, ["body"]),
        (REPLY | {"body": "{{ self }}"}, ["body"]),
        (REPLY | {"body": "{{ name() }}"}, ["body"]),
        (REPLY | {"body": "{% for x in name %}{{ x }}{% endfor %}"}, ["body"]),
        (REPLY | {"body": "{# hidden #}"}, ["body"]),
        (REPLY | {"body": "{% raw %}{{name}}{% endraw %}"}, ["body"]),
        (REPLY | {"body": "{{name"}, ["body"]),
        (REPLY | {"body": "{{name}}" * 101}, ["body"]),
        (EMAIL | {"kind": None}, ["kind"]),
        (EMAIL | {"subject": "x" * 201}, ["subject"]),
        (EMAIL | {"subject": "{{nobody}}"}, ["subject"]),
        (EMAIL | {"kind": "MAINTENANCE", "subject": None, "body": "{{number}}"}, ["body"]),
        (EMAIL | {"departmentId": "support"}, ["departmentId"]),
        (REPLY | {"departmentId": "x"}, ["departmentId"]),
        (REPLY | {"messageTemplateId": "x"}, ["messageTemplateId"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, support, given, fields):
    before = await database.counts()

    refusal = await save(**given | ({"departmentId": support.gid} if given.get("departmentId") == "support" else {}))

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", fields[0])
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


async def test_an_unknown_placeholder_is_named(save):
    refusal = await save(**REPLY | {"body": "{{nme}}"})
    assert refusal["problems"][0]["message"].startswith("There is no {{nme}} here; possible are name, desk,")


async def test_a_name_is_taken_once_and_so_is_a_kind_in_a_language(save, database):
    await save(**REPLY)
    await save(**EMAIL)
    before = await database.counts()

    taken = {"__typename": "Conflict", "reason": "TAKEN", "current": None}
    assert await save(**REPLY) == taken
    assert await save(**EMAIL | {"name": "Other"}) == taken
    german = EMAIL | {"locale": "de"}
    assert await save(**german) == taken
    assert await database.counts() == before
    assert (await save(**EMAIL | {"name": "Other", "locale": "DE"}))["locale"] == "de"
    before = await database.counts()
    assert await save(**EMAIL | {"name": "Third", "locale": "dE"}) == taken
    assert await database.counts() == before
    assert (await save(**EMAIL | {"name": "In the app", "use": "IN_APP"}))["use"] == "IN_APP"


async def test_a_name_tells_nobody_of_templates_that_they_do_not_read(save, house, database, lead, support, billing):
    other = await house.person("Bea Lead", Role.TEAM_LEAD, billing)
    await save(lead, **REPLY, departmentId=support.gid)
    await save(**EMAIL)

    for name in (REPLY["name"], EMAIL["name"]):
        for department in (billing.gid, None):
            assert (await save(other, **REPLY | {"name": name}, departmentId=department))["name"] == name
    before = await database.counts()
    taken = {"__typename": "Conflict", "reason": "TAKEN", "current": None}
    assert await save(other, **REPLY, departmentId=billing.gid) == taken
    assert await save(lead, **REPLY) == taken
    assert await database.counts() == before


@pytest.mark.parametrize("field", ["messageTemplateId", "departmentId"])
async def test_what_is_named_and_unknown_is_not_found(save, database, field):
    before = await database.counts()
    prefix = "tpl" if field == "messageTemplateId" else "dep"
    assert await save(**REPLY, **{field: f"{prefix}_{NOWHERE}"}) == {"__typename": "NotFound", "field": field}
    assert await database.counts() == before


async def test_one_that_is_deleted_is_gone(api, save, admin):
    made = await save(**EMAIL)
    deleted = {"__typename": "DeleteMessageTemplateSuccess", "deletedId": made["id"]}
    assert (await api(admin, DELETE, id=made["id"]))["deleteMessageTemplate"] == deleted
    gone = {"__typename": "NotFound", "field": "messageTemplateId"}
    assert (await api(admin, DELETE, id=made["id"]))["deleteMessageTemplate"] == gone
    assert (await api(admin, DELETE, id="x"))["deleteMessageTemplate"] == gone


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def four(save, support, billing):
    """Replies for all and of two departments, and an email; their ids by name."""
    made = {"all": await save(**REPLY | {"name": "all"})}
    made["support"] = await save(**REPLY | {"name": "support"}, departmentId=support.gid)
    made["billing"] = await save(**REPLY | {"name": "billing"}, departmentId=billing.gid)
    made["email"] = await save(**EMAIL | {"name": "email"})
    return {name: template["id"] for name, template in made.items()}


async def test_who_reads_which(api, house, four, agent, lead, billing_agent, director, admin, customer, support):
    manager = await house.person("Mia Manager", Role.MANAGER, support)
    seen = {"all", "support"}
    for viewer, names in (
        (agent, seen),
        (lead, seen),
        (manager, seen),
        (billing_agent, {"all", "billing"}),
        (director, {"all", "support", "billing"}),
        (admin, {"all", "support", "billing", "email"}),
    ):
        found = (await api(viewer, LISTED))["messageTemplates"]
        assert {node["name"] for node in found["nodes"]} == names, viewer.name
        assert found["totalCount"] == len(names)
        for name, gid in four.items():
            node = (await api(viewer, BY_ID, id=gid))["node"]
            assert (node is not None) == (name in names), (viewer.name, name)
    assert await api.refused(customer, LISTED) == "NOT_ALLOWED"
    assert await api.refused(None, LISTED) == "UNAUTHENTICATED"
    assert (await api(customer, BY_ID, id=four["all"]))["node"] is None


async def test_who_may_not_write_can_not_tell(
    api, save, database, four, agent, lead, customer, director, billing, support
):
    before = await database.counts()
    for viewer in (customer, agent):
        for gid in (*four.values(), f"tpl_{NOWHERE}"):
            assert (await save(viewer, messageTemplateId=gid, **REPLY))["__typename"] == "NotAllowed"
            assert (await api(viewer, DELETE, id=gid))["deleteMessageTemplate"]["__typename"] == "NotAllowed"
    for viewer in (lead, director):
        assert (await save(viewer, **EMAIL))["__typename"] == "NotAllowed"
    missing = {"__typename": "NotFound", "field": "messageTemplateId"}
    for gid in (four["billing"], four["email"], f"tpl_{NOWHERE}"):
        assert await save(lead, messageTemplateId=gid, **REPLY) == missing
        assert (await api(lead, DELETE, id=gid))["deleteMessageTemplate"] == missing
    assert (await save(lead, **REPLY, departmentId=billing.gid))["__typename"] == "NotAllowed"
    assert await api.refused(None, SAVE, input=REPLY) == "UNAUTHENTICATED"
    assert await api.refused(None, DELETE, id=four["all"]) == "UNAUTHENTICATED"
    assert await database.counts() == before
    assert (await save(lead, messageTemplateId=four["support"], **REPLY, departmentId=support.gid))["name"] == "Thanks"


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ({"use": "REPLY"}, ["all", "billing", "support"]),
        ({"use": "EMAIL"}, ["email"]),
        ({"kind": "COMMENT_ADDED"}, ["email"]),
        ({"kind": "MENTIONED"}, []),
        ({"locale": "EN", "use": "EMAIL"}, ["email"]),
        ({"locale": "de"}, []),
        ({"text": " WROTE  agent"}, ["email"]),
        ({"text": "bill"}, ["billing"]),
        ({"text": "wrote nothing"}, []),
        ({"text": "100%"}, []),
        ({"text": ""}, ["all", "billing", "email", "support"]),
    ],
)
async def test_conditions(api, four, admin, filter_, names):
    found = (await api(admin, LISTED, filter=filter_))["messageTemplates"]
    assert [node["name"] for node in found["nodes"]] == names


async def test_a_text_to_look_for_is_short(api, admin):
    assert await api.refused(admin, LISTED, filter={"text": "x" * 201}) == "BAD_REQUEST"


# --- Previews ---------------------------------------------------------------------------------------------------------


async def test_a_preview_with_sample_data(api, agent):
    body = "Dear {{name}},\n\n{{nobody}} sees **{{ subject }}** at [us](http://x.test).\n\n{{desk}} & more"

    seen = (await api(agent, PREVIEW, subject="#{{number}} {{what}}", body=body))["messageTemplatePreview"]

    assert seen["subject"] == "#1042 {{what}}"
    assert seen["body"] == (
        "Dear Carla Customer,\n\n{{nobody}} sees **The export stops at 90 %** at [us](http://x.test).\n\n"
        "Deskwire & more"
    )
    assert "<strong>The export stops at 90 %</strong>" in seen["bodyHtml"]
    assert seen["bodyText"] == (
        "Dear Carla Customer,\n\n{{nobody}} sees The export stops at 90 % at us (http://x.test).\n\nDeskwire & more"
    )
    assert sorted(seen["unknownPlaceholders"]) == ["nobody", "what"]


async def test_a_preview_of_what_a_notice_of_maintenance_says(api, agent):
    body = "**{{services}}** will be away from {{startsAt}} to {{endsAt}}, {{when}}."

    seen = (await api(agent, PREVIEW, body=body))["messageTemplatePreview"]

    assert seen["bodyText"] == (
        "API will be away from December 2, 2026, 9:00 PM UTC to December 2, 2026, 11:00 PM UTC, {{when}}."
    )
    assert seen["unknownPlaceholders"] == ["when"]


async def test_a_preview_with_a_ticket(api, agent, ticket, billing_agent):
    body = "{{name}} {{number}} {{subject}} {{agent}} {{status}} {{department}} {{comment}}."

    seen = (await api(agent, PREVIEW, body=body, id=ticket.gid))["messageTemplatePreview"]

    assert seen["body"] == (f"Carla Customer {ticket.number} Printer on fire Ada Agent Open Technical Support .")
    assert (seen["subject"], seen["unknownPlaceholders"]) == (None, [])
    for gid in (ticket.gid, f"tkt_{NOWHERE}"):
        assert await api(billing_agent, PREVIEW, body=body, id=gid) == {"messageTemplatePreview": None}


async def test_what_is_written_into_a_ticket_is_safe_and_fills_in_nothing(api, agent, submit, customer, problem):
    ticket = await submit(customer, problem, subject="<script>x</script> {{desk}} {{7*7}}")

    seen = (await api(agent, PREVIEW, body="{{subject}}", id=ticket["id"]))["messageTemplatePreview"]

    assert seen["bodyText"] == "<script>x</script> {{desk}} {{7*7}}"
    assert "<script>" not in seen["bodyHtml"]


async def test_what_is_no_markdown_stays_as_its_words(api, agent, submit, customer, problem):
    """Else who words a ticket would word what the desk says: with a link under whatever words they like."""
    subject = "1. [Sign in](https://evil.example) *now* &lt; a_b"
    ticket = await submit(customer, problem, subject=subject)
    body = "{{subject}}\n\n> {{ subject }}\n\n**{{status}}** on [{{subject}}]({{link}})"

    seen = (await api(agent, PREVIEW, subject="{{subject}}", body=body, id=ticket["id"]))["messageTemplatePreview"]

    assert (seen["subject"], ">Sign in</a>" in seen["bodyHtml"]) == (subject, False)
    assert [line for line in seen["bodyText"].splitlines() if line][:2] == [subject, subject]
    assert f"Open on {subject} (http://desk.test/t/" in seen["bodyText"]
    assert seen["body"].startswith(r"1\. \[Sign in\](https://evil.example) \*now\* \&lt; a\_b")


@pytest.mark.parametrize(("status", "said"), [("ON_HOLD", "On hold"), ("RESOLVED", "Solved")])
async def test_a_preview_says_a_status_as_the_message_does(api, agent, database, ticket, status, said):
    await database.rows(f"UPDATE tickets SET status = '{status}'")
    seen = (await api(agent, PREVIEW, body="{{status}}", id=ticket.gid))["messageTemplatePreview"]
    assert seen["bodyText"] == said


async def test_a_subject_stays_a_line(api, agent, ticket):
    text = "mutation ($id: ID!, $body: String!) { addComment(input: {ticketId: $id, body: $body}) { __typename } }"
    await api(agent, text, id=ticket.gid, body="word\n" * 1000)
    seen = (await api(agent, PREVIEW, subject="On {{comment}}", body="x", id=ticket.gid))["messageTemplatePreview"]
    assert seen["subject"] == "On " + "word " * 38 + "word…"


async def test_an_internal_comment_is_in_no_preview(api, agent, ticket):
    for kind, body in (("addComment", "public"), ("addInternalComment", "secret")):
        text = f'mutation ($id: ID!) {{ {kind}(input: {{ticketId: $id, body: "{body}"}}) {{ __typename }} }}'
        await api(agent, text, id=ticket.gid)
    seen = (await api(agent, PREVIEW, body="{{comment}}", id=ticket.gid))["messageTemplatePreview"]
    assert seen["body"] == "public"


@pytest.mark.parametrize("body", ["{{name.x}}", "{% if x %}", "{{", "x" * 20_001, "{{ self }}"])
async def test_what_can_not_be_filled_in_is_refused(api, agent, body):
    assert await api.refused(agent, PREVIEW, body=body) == "BAD_REQUEST"


async def test_previews_are_for_staff(api, customer, ticket):
    assert await api.refused(customer, PREVIEW, body="x", id=ticket.gid) == "NOT_ALLOWED"
    assert await api.refused(None, PREVIEW, body="x") == "UNAUTHENTICATED"


@pytest.mark.parametrize("text", ["{{ x.__class__ }}", "{{ ''.__class__ }}", "{% set x = 1 %}", "{{ x }}{{ y() }}"])
def test_what_is_filled_in_says_so_itself(text):
    with pytest.raises(ValueError, match="Only placeholders"):
        templates.filled(text, {"x": "1"})


def test_facts_stand_as_they_are():
    facts = {"name": "{{desk}} <b>", "desk": "Deskwire"}
    assert templates.filled("{{name}}|{{ desk }}|{{ cycler }}\n", facts) == "{{desk}} <b>|Deskwire|{{cycler}}\n"
