"""Adding people: who may add whom, what is refused without a trace, and the invitation that goes out."""

import asyncio
import datetime as dt
import re
from unittest.mock import ANY

import pytest

from domain import attempts, people
from domain.jobs import SendMessage
from domain.refusals import InvalidInput
from infra import unit
from models import Role

CREATE = """mutation($input: CreatePersonInput!) { createPerson(input: $input) { __typename
  ... on CreatePersonSuccess { person { id name email role locale active departments { name } } }
  ... on InvalidInput { field message problems { field } } ... on NotFound { field message }
  ... on Conflict { reason current { id } } ... on Refusal { message } } }"""
SIGN_IN = """mutation($token: String!) { signInWithLink(input: {token: $token}) { __typename
  ... on SignInWithLinkSuccess { session { viewer { person { name role } } } } } }"""
FOR_STAFF = {"__typename": "NotAllowed", "message": "Only staff may do this."}
FOR_ADMINS = {"__typename": "NotAllowed", "message": "Only admins may do this."}


@pytest.fixture
def create(api):
    """Adds a person and gives them, or the refusal."""

    async def created(viewer, **given):
        given = {"name": "Nora New", "email": "nora.new@example.com"} | given
        answer = (await api(viewer, CREATE, input=given))["createPerson"]
        return answer.get("person") or answer

    return created


async def person_named(database, name):
    """The rows of people of this name."""
    return await database.rows("SELECT id, email, role, locale, active FROM people WHERE name = :name", name=name)


async def test_an_agent_adds_a_customer_who_is_invited(create, work, agent):
    person = await create(agent, email="  Nora.New@EXAMPLE.com ", locale="pt-BR")

    assert person == {
        "id": ANY,
        "name": "Nora New",
        "email": "nora.new@example.com",
        "role": "CUSTOMER",
        "locale": "pt-BR",
        "active": True,
        "departments": [],
    }
    assert await work.asked() == [SendMessage(ANY)]


async def test_the_invitation_signs_in_once_within_a_week(api, create, database, work, mailbox, agent):
    await create(agent)
    await work.run()

    (letter,) = mailbox.letters
    assert letter.bcc == ["nora.new@example.com"]
    assert letter["Subject"] == "You are invited to Deskwire"
    text = letter.get_body(("plain",)).get_content()
    assert "Hello Nora New," in text
    assert "once, within 7 days" in text
    token = re.search(r"http://desk\.test/sign-in/(\S+)", text)[1]
    (link,) = await database.rows("SELECT expires_at - created_at AS lasts FROM sign_in_links")
    assert link["lasts"] == dt.timedelta(days=7)
    answers = [(await api(None, SIGN_IN, token=token))["signInWithLink"] for _ in range(2)]
    assert answers[0]["session"]["viewer"]["person"] == {"name": "Nora New", "role": "CUSTOMER"}
    assert answers[1] == {"__typename": "WrongCredentials"}


async def test_nothing_is_mailed_unless_asked(create, work, database, agent):
    await create(agent, invite=False)

    assert await work.asked() == []
    assert await database.rows("SELECT id FROM messages") == []


async def test_who_is_no_admin_does_not_mail_to_anybody_without_end(
    api, create, work, database, monkeypatch, agent, admin
):
    monkeypatch.setattr(attempts, "INVITATION_BY_STAFF", attempts.Limit("invitation:staff", 3, 60 * 60))
    for number in range(3):
        assert (await create(agent, email=f"{number}@example.com"))["role"] == "CUSTOMER"
    before = await database.counts()
    given = {"name": "Call evil.example", "email": "victim@example.com", "invite": True}

    answer = await api.answer(agent, CREATE, input=given)

    assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert await database.counts() == before
    assert (await create(agent, email="quiet@example.com", invite=False))["role"] == "CUSTOMER"
    assert (await create(admin, email="victim@example.com"))["role"] == "CUSTOMER"


async def test_a_newcomer_begins_with_an_empty_inbox(create, database, agent):
    person = await create(agent, invite=False)

    assert await database.rows(
        "SELECT last_seq, unread_count FROM inboxes WHERE person_id = CAST(:id AS uuid)",
        id=person["id"].removeprefix("per_"),
    ) == [{"last_seq": 0, "unread_count": 0}]


async def test_an_admin_adds_staff_to_departments(create, admin, support, billing):
    person = await create(admin, role="TEAM_LEAD", departmentIds=[support.gid, billing.gid, support.gid])

    assert person["role"] == "TEAM_LEAD"
    assert person["departments"] == [{"name": "Billing"}, {"name": "Technical Support"}]


@pytest.mark.parametrize("role", ["CUSTOMER", "AGENT", "MANAGER", "DIRECTOR", "ADMIN"])
async def test_an_admin_adds_anyone(create, admin, role):
    assert (await create(admin, role=role))["role"] == role


@pytest.mark.parametrize("role", ["AGENT", "TEAM_LEAD", "MANAGER", "DIRECTOR", "ADMIN"])
@pytest.mark.parametrize("creator", [Role.AGENT, Role.DIRECTOR])
async def test_staff_add_customers_only(create, database, house, creator, role):
    viewer = await house.person("Stan Staff", creator)
    before = await database.counts()

    assert await create(viewer, role=role) == FOR_ADMINS
    assert await database.counts() == before


async def test_customers_add_nobody_and_learn_nothing_of_who_is_known(create, database, customer, stranger):
    before = await database.counts()

    assert await create(customer) == FOR_STAFF
    assert await create(customer, email=stranger.email) == FOR_STAFF
    assert await create(customer, email="not an address") == FOR_STAFF
    assert await database.counts() == before


async def test_nobody_adds_anyone_who_is_not_signed_in(api, database):
    before = await database.counts()

    for given in ({}, {"idempotencyKey": "once"}):
        code = await api.refused(None, CREATE, input={"name": "Nora New", "email": "nora.new@example.com"} | given)
        assert code == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_a_known_address_is_taken_however_it_is_written(create, database, agent, stranger):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=stranger.id)
    before = await database.counts()

    answer = await create(agent, email=stranger.email.title())

    assert answer["__typename"] == "Conflict"
    assert answer["reason"] == "TAKEN"
    assert await database.counts() == before


async def test_of_two_at_once_one_is_taken(create, database, agent):
    before = await database.counts()

    answers = await asyncio.gather(create(agent, invite=False), create(agent, invite=False))

    assert sorted(answer.get("reason", "added") for answer in answers) == ["TAKEN", "added"]
    assert (await database.counts())["people"] == before["people"] + 1
    assert len(await person_named(database, "Nora New")) == 1


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"email": ""}, ["email"]),
        ({"email": "nora.new"}, ["email"]),
        ({"email": "nora new@example.com"}, ["email"]),
        ({"email": "nora@example.com\r\nBcc: all@example.com"}, ["email"]),
        ({"locale": "the king's English"}, ["locale"]),
        ({"locale": ""}, ["locale"]),
        ({"departmentIds": ["dep_x"]}, ["departmentIds.0"]),
        ({"idempotencyKey": "x" * 65}, ["idempotencyKey"]),
        ({"name": "", "email": "", "locale": "-"}, ["name", "email", "locale"]),
    ],
)
async def test_all_that_is_wrong_is_said_at_once_and_nothing_comes_of_it(create, database, admin, given, fields):
    before = await database.counts()

    answer = await create(admin, role="AGENT", **given)

    assert answer["__typename"] == "InvalidInput"
    assert answer["field"] == fields[0]
    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


async def test_only_an_admin_says_who_works_where(create, database, agent, support):
    before = await database.counts()

    assert await create(agent, departmentIds=[support.gid]) == FOR_ADMINS
    assert await database.counts() == before


async def test_customers_work_in_no_department(create, database, admin, support):
    before = await database.counts()

    answer = await create(admin, name="", departmentIds=[support.gid])

    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "name")
    assert [problem["field"] for problem in answer["problems"]] == ["name", "departmentIds"]
    assert await database.counts() == before


async def test_a_department_that_is_not_there_or_not_in_use_is_not_found(create, database, admin, support, billing):
    await database.rows("UPDATE departments SET archived_at = :now WHERE id = :id", now=unit.now(), id=billing.id)
    before = await database.counts()

    for missing in (billing.gid, f"dep_{admin.id}"):
        answer = await create(admin, role="AGENT", departmentIds=[support.gid, missing])
        assert answer == {
            "__typename": "NotFound",
            "field": "departmentIds.1",
            "message": "There is no such department.",
        }
    assert await database.counts() == before


async def test_nobody_works_in_more_than_twenty_departments(create, database, admin, support):
    before = await database.counts()

    answer = await create(admin, role="AGENT", departmentIds=[support.gid] * 21)

    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "departmentIds")
    assert await database.counts() == before


async def test_the_same_key_adds_one_person_once(create, database, work, mailbox, agent):
    first = await create(agent, idempotencyKey="nora")
    before = await database.counts()

    again = await create(agent, idempotencyKey="nora")
    other = await create(agent, idempotencyKey="nora", name="Norbert New")

    assert again == first
    assert (other["__typename"], other["reason"]) == ("Conflict", "KEY_REUSED")
    assert await database.counts() == before
    await work.run()
    assert len(mailbox.letters) == 1


async def test_keys_of_two_people_are_two_keys(create, agent, admin):
    first = await create(agent, idempotencyKey="key")
    second = await create(admin, idempotencyKey="key", email="norbert@example.com", name="Norbert New")

    assert (first["name"], second["name"]) == ("Nora New", "Norbert New")


async def test_who_operates_the_desk_invites_its_first_admin(settings, api, database, work, mailbox):
    said = await people.invite(settings, "First.Admin@example.com", "ADMIN")

    assert said == "First.Admin@example.com is invited as ADMIN; a link is on its way by email."
    await work.run()
    (letter,) = mailbox.to("first.admin@example.com")
    token = re.search(r"http://desk\.test/sign-in/(\S+)", letter.get_body(("plain",)).get_content())[1]
    answer = (await api(None, SIGN_IN, token=token))["signInWithLink"]
    assert answer["session"]["viewer"]["person"] == {"name": "First.Admin", "role": "ADMIN"}


async def test_where_no_mail_goes_out_the_operator_is_given_the_link(settings, api, database):
    said = await people.invite(settings.model_copy(update={"smtp_url": None}), "First.Admin@example.com", "ADMIN")

    token = re.search(r"http://desk\.test/sign-in/(\S+)$", said)[1]
    answer = (await api(None, SIGN_IN, token=token))["signInWithLink"]
    assert answer["session"]["viewer"]["person"] == {"name": "First.Admin", "role": "ADMIN"}


async def test_somebody_known_is_sent_a_new_link(settings, database, work, mailbox, agent):
    before = await database.counts()

    said = await people.invite(settings, f" {agent.email.upper()} ", "AGENT")

    assert "is AGENT already" in said
    assert (await database.counts())["people"] == before["people"]
    assert [row["role"] for row in await person_named(database, "Ada Agent")] == ["AGENT"]
    await work.run()
    assert len(mailbox.to(agent.email)) == 1


async def test_somebody_with_another_role_stays_what_they_are_and_it_is_said(settings, database, agent):
    before = await database.counts()

    with pytest.raises(InvalidInput, match="is AGENT already"):
        await people.invite(settings, agent.email, "ADMIN")

    assert await database.counts() == before
    assert [row["role"] for row in await person_named(database, "Ada Agent")] == ["AGENT"]


@pytest.mark.parametrize(
    ("email", "role", "field"),
    [("nora@example.com", "KING", "role"), ("nora", "ADMIN", "email"), ("", "ADMIN", "name")],
)
async def test_an_invitation_that_makes_no_sense_is_refused(settings, database, email, role, field):
    before = await database.counts()

    with pytest.raises(InvalidInput) as refused:
        await people.invite(settings, email, role)

    assert refused.value.field == field
    assert await database.counts() == before


async def test_somebody_who_was_shut_out_is_not_told_to_be_invited(settings, database, agent):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=agent.id)
    before = await database.counts()

    with pytest.raises(InvalidInput) as refused:
        await people.invite(settings, agent.email, "AGENT")

    assert refused.value.field == "email"
    assert await database.counts() == before
