"""Signing up: whoever has an address becomes a customer, and nobody learns who is one already."""

import asyncio
import re

import pytest

from domain import attempts
from domain.jobs import SignUp
from infra import jobs
from models import Role

SIGN_UP = """mutation($input: SignUpInput!) { signUp(input: $input) { __typename ... on SignUpSuccess { email }
  ... on InvalidInput { message problems { field } } ... on RateLimited { retryAfterSeconds }
  ... on Refusal { message } } }"""
SIGN_IN = """mutation($token: String!) { signInWithLink(input: {token: $token}) { __typename
  ... on SignInWithLinkSuccess { session { viewer { person { name role email locale } } } } } }"""


@pytest.fixture
def sign_up(api):
    """Signs up, and gives the answer."""

    async def tried(viewer=None, **given):
        given = {"name": "Nora New", "email": "nora@example.com"} | given
        return (await api(viewer, SIGN_UP, input=given))["signUp"]

    return tried


async def everybody(database):
    return await database.rows("SELECT name, email, role, locale, active FROM people ORDER BY email")


async def test_somebody_new_becomes_a_customer_and_signs_in_by_the_link(api, sign_up, work, mailbox, database):
    answer = await sign_up(name="  Nora\nNew ", email=" Nora@Example.com ", locale="de")

    assert answer == {"__typename": "SignUpSuccess", "email": "nora@example.com"}
    assert await everybody(database) == []  # a job does it, where nobody can measure
    await work.run()
    (letter,) = mailbox.to("nora@example.com")
    token = re.search(r"/sign-in/(\S+)", letter.get_body(("plain",)).get_content())[1]
    session = (await api(None, SIGN_IN, token=token))["signInWithLink"]["session"]
    assert session["viewer"]["person"] == {
        "name": "Nora New",
        "role": "CUSTOMER",
        "email": "nora@example.com",
        "locale": "de",
    }


async def test_what_a_stranger_puts_for_a_name_is_told_to_nobody_by_mail(api, sign_up, work, mailbox, database):
    """Else anybody's mailbox gets what somebody likes to say, in our name."""
    await sign_up(name="You have won: https://evil.example", email="victim@example.com")
    await work.run()

    (letter,) = mailbox.to("victim@example.com")
    assert "evil" not in letter.as_string()
    text = letter.get_body(("plain",)).get_content()
    assert text.startswith("Hello,\r\n")
    await api(None, SIGN_IN, token=re.search(r"/sign-in/(\S+)", text)[1])
    await sign_up(email="victim@example.com")
    await work.run()
    assert mailbox.letters[-1].get_body(("plain",)).get_content().startswith("Hello You have won")  # their own, by then


async def test_who_is_known_stays_as_they_are_and_is_sent_a_link(sign_up, work, mailbox, database, agent):
    before = await everybody(database)

    await sign_up(name="Somebody Else", email=agent.email, locale="fr")
    await work.run()

    assert await everybody(database) == before
    assert len(mailbox.to(agent.email)) == 1


async def test_who_was_shut_out_stays_so_and_hears_nothing(sign_up, work, mailbox, database, customer):
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=customer.id)
    before = await everybody(database)

    await sign_up(email=customer.email)
    await work.run()

    assert await everybody(database) == before
    assert mailbox.letters == []


async def test_answers_and_writes_are_alike_for_who_is_known_shut_out_or_new(api, sign_up, work, database, house):
    known = await house.person("Kara Known", email="known@example.com")
    gone = await house.person("Gina Gone", Role.AGENT, email="gonee@example.com")
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    seen = []
    for email in (known.email, gone.email, "newer@example.com"):
        before = await database.counts()
        response = await api.post(None, SIGN_UP, input={"name": "N", "email": email})
        after = await database.counts()
        seen.append(
            (
                response.content.replace(email.encode(), b"?"),
                sorted((k.lower(), v) for k, v in response.headers.items()),
                {name: after[name] - before[name] for name in after if after[name] != before[name]},
            )
        )

    assert seen[0] == seen[1] == seen[2]
    assert seen[0][2] == {"jobs": 1, "audit_entries": 1}
    assert [job.email for job in await work.asked(SignUp)] == [known.email, gone.email, "newer@example.com"]


async def test_twice_makes_one_person(sign_up, work, mailbox, database):
    await sign_up()
    await sign_up()
    await work.run()

    assert len(await everybody(database)) == 1
    assert len(mailbox.to("nora@example.com")) == 2


async def test_twice_at_the_same_moment_is_no_fault(sign_up, desk, mailbox, database, work):
    await sign_up()
    await sign_up()
    rows = await database.rows("SELECT id FROM jobs")

    assert await asyncio.gather(*(jobs.perform(desk, row["id"]) for row in rows)) == [True, True]

    assert len(await everybody(database)) == 1
    await work.run()
    assert len(mailbox.to("nora@example.com")) == 2


async def test_all_that_is_wrong_is_said_at_once(sign_up, database):
    before = await database.counts()

    answer = await sign_up(name=" ", email="nora", locale="?")

    assert answer["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in answer["problems"]] == ["name", "email", "locale"]
    assert await database.counts() == before


async def test_a_network_signs_up_five_times_an_hour(sign_up, database):
    for number in range(5):
        assert (await sign_up(email=f"n{number}@example.com"))["__typename"] == "SignUpSuccess"
    before = await database.counts()

    answer = await sign_up(email="n5@example.com")

    assert answer["__typename"] == "RateLimited"
    assert 0 < answer["retryAfterSeconds"] <= 2 * 60 * 60
    assert await database.counts() == before


async def test_nobody_is_mailed_without_end(desk, sign_up, database):
    for _ in range(attempts.LINK_BY_EMAIL.most):
        await attempts.take(desk.writes, attempts.LINK_BY_EMAIL, "nora@example.com")

    assert (await sign_up())["__typename"] == "RateLimited"
    assert (await sign_up(email="other@example.com"))["__typename"] == "SignUpSuccess"
