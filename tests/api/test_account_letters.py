"""What people are told of their own accounts, so that they notice what somebody else has done there."""

import asyncio

import pytest

from domain import account_letters, erasing, sessions
from domain.wording import Wording
from models import NotificationKind, Role

SET = """mutation($input: SetPasswordInput!) { setPassword(input: $input) { __typename } }"""
PERSON = """mutation($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"""
TOKEN = """mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { __typename
  ... on CreateApiTokenSuccess { token } } }"""
REFRESH = """mutation($token: String) { refreshSession(input: {refreshToken: $token}) { __typename
  ... on RefreshSessionSuccess { session { refreshToken } } ... on Refusal { message } } }"""
NEW = "three green umbrellas"
ROWS = "SELECT kind, status, address FROM messages ORDER BY id"


@pytest.fixture
def update(api, admin):
    """Changes a person, as an admin."""

    async def changed(person, viewer=admin, **given):
        answer = await api(viewer, PERSON, input={"personId": person.gid} | given)
        return answer["updatePerson"]["__typename"]

    return changed


def said(letter):
    text = letter.get_body(("plain",)).get_content()
    assert letter["Reply-To"] is None
    assert letter["List-Unsubscribe"] is None
    assert letter.get_body(("html",)) is not None
    return " ".join(text.split())


async def test_a_new_password_is_told_in_its_owners_language_and_zone(api, work, mailbox, customer, database):
    await database.rows("UPDATE people SET locale = 'de', time_zone = 'Asia/Tokyo' WHERE id = :id", id=customer.id)
    assert (await api(customer, SET, input={"newPassword": NEW}))["setPassword"]["__typename"] == "SetPasswordSuccess"
    await work.run()

    (letter,) = mailbox.to(customer.email)
    assert letter["Subject"] == "Ihr Passwort wurde geändert"
    (row,) = await database.rows("SELECT created_at FROM messages")
    assert Wording("de", "Asia/Tokyo").moment(row["created_at"]) in said(letter)
    assert "Waren das nicht Sie?" in said(letter)
    assert NEW not in letter.as_string()
    assert "/sign-in/" not in letter.as_string()


async def test_what_is_refused_is_not_told(api, update, mailbox, database, customer, agent, admin):
    before = await database.counts()
    await api(customer, SET, input={"newPassword": "short"})
    await api(customer, TOKEN, input={"name": "Mine"})
    await api(agent, TOKEN, input={"name": ""})
    await update(customer, viewer=agent, role="ADMIN")
    await update(customer, email=agent.email)
    await update(customer, name="Another", locale="fr")
    await update(customer, email=customer.email.upper(), role="CUSTOMER", active=True)  # which they are
    await update(admin, active=False)

    after = await database.counts()
    assert (after["messages"], after["jobs"]) == (before["messages"], before["jobs"])


async def test_another_address_is_told_to_the_old_one_and_to_the_new_one(update, work, mailbox, customer, database):
    assert await update(customer, email="new@example.com") == "UpdatePersonSuccess"
    assert await update(customer, email="newest@example.com") == "UpdatePersonSuccess"
    await work.run()

    away = "has another address"
    assert [away in said(letter) for letter in mailbox.to(customer.email)] == [True]
    assert [away in said(letter) for letter in mailbox.to("new@example.com")] == [True, True]
    (letter,) = mailbox.to("newest@example.com")
    assert "this is the address of your account" in said(letter)
    for each in mailbox.letters:
        assert "newest@example.com" not in said(each)
    assert {row["status"] for row in await database.rows(ROWS)} == {"SENT"}


async def test_who_is_changed_by_somebody_else_is_told(update, work, mailbox, agent, admin, director, database):
    assert await update(agent, role="TEAM_LEAD") == "UpdatePersonSuccess"
    await work.run()
    (letter,) = mailbox.to(agent.email)
    assert letter["Subject"] == "You have another role"
    assert "Now it is: team lead." in said(letter)

    assert await update(agent, role="AGENT", active=False) == "UpdatePersonSuccess"
    await work.run()
    _, letter = mailbox.to(agent.email)
    assert letter["Subject"] == "You can't sign in any more"

    assert await update(director, role="ADMIN") == "UpdatePersonSuccess"
    assert await update(admin, role="DIRECTOR") == "UpdatePersonSuccess"  # by themselves
    await work.run()
    assert mailbox.to(admin.email) == []
    kinds = [row["kind"] for row in await database.rows(ROWS)]
    assert kinds == ["ROLE_CHANGED", "SHUT_OUT", "ROLE_CHANGED"]


async def test_what_goes_elsewhere_since_is_told_where_it_was(api, update, work, mailbox, customer):
    """Who takes an account over can't turn the letter about it to themselves."""
    await api(customer, SET, input={"newPassword": NEW})
    await update(customer, email="thief@example.com", active=False)
    await work.run()

    subjects = [letter["Subject"] for letter in mailbox.to(customer.email)]
    assert subjects == ["Your password was changed", "Your email address was changed", "You can't sign in any more"]
    assert [letter["Subject"] for letter in mailbox.to("thief@example.com")] == ["Your email address was changed"]


@pytest.mark.parametrize(("scope", "can"), [("READ", "can read what you can"), ("WRITE", "can read and change what")])
async def test_a_token_is_told_without_itself(api, work, mailbox, agent, scope, can):
    made = (await api(agent, TOKEN, input={"name": "Nightly {report} <b>", "scope": scope}))["createApiToken"]
    await work.run()

    (letter,) = mailbox.to(agent.email)
    assert letter["Subject"] == "A token was made in your name"
    assert "“Nightly {report} <b>”" in said(letter)
    assert can in said(letter)
    assert "&lt;b&gt;" in letter.get_body(("html",)).get_content()
    assert made["token"][:8] not in letter.as_string()


async def test_a_refresh_token_that_comes_twice_is_told_once(api, work, mailbox, desk, customer, database):
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id)
    answers = [await api(None, REFRESH, token=opened.refresh_token) for _ in range(2)]
    answers += await asyncio.gather(*(api(None, REFRESH, token=opened.refresh_token) for _ in range(3)))
    forged = await api(None, REFRESH, token="no token at all")
    assert [each["refreshSession"] for each in answers[1:]] == [forged["refreshSession"]] * 4
    await work.run()

    (letter,) = mailbox.to(customer.email)
    assert letter["Subject"] == "You were signed out, to be safe"
    assert opened.refresh_token not in letter.as_string()


async def test_nobody_can_turn_them_off(work, mailbox, api, customer, database):
    await database.rows(
        """INSERT INTO notification_preferences (person_id, kind, channel, enabled)
        SELECT :id, kind, 'EMAIL', false FROM unnest(cast(:kinds AS text[])) kind""",
        id=customer.id,
        kinds=[kind.name for kind in NotificationKind],
    )
    await api(customer, SET, input={"newPassword": NEW})
    await work.run()

    assert len(mailbox.to(customer.email)) == 1
    assert not {kind.name for kind in account_letters.KINDS} & {kind.name for kind in NotificationKind}


async def test_who_was_erased_meanwhile_gets_none(api, update, work, mailbox, house, customer, database):
    await update(customer, email="new@example.com")
    await erasing.erase_person(house.desk, customer.id, lambda _: None)
    await work.run()

    assert mailbox.letters == []
    assert {(row["status"], row["address"]) for row in await database.rows(ROWS)} == {("SKIPPED", None)}


async def test_an_address_that_nobody_reads_gets_none(api, work, mailbox, customer, database):
    await database.rows("UPDATE people SET email = 'noreply@shop.example' WHERE id = :id", id=customer.id)
    await api(customer, SET, input={"newPassword": NEW})
    await work.run()

    assert mailbox.letters == []
    assert [row["status"] for row in await database.rows(ROWS)] == ["SKIPPED"]


async def test_every_role_has_a_name(update, work, mailbox, house):
    for role in Role:
        person = await house.person(f"Who {role.value}", Role.CUSTOMER if role is Role.AGENT else Role.AGENT)
        assert await update(person, role=role.name) == "UpdatePersonSuccess"
        await work.run()
    told = [said(letter).partition("Now it is: ")[2].partition(".")[0] for letter in mailbox.letters]
    assert told == ["customer", "agent", "team lead", "manager", "director", "administrator"]
