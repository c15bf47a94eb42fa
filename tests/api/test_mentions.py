"""Mentions in comments for the desk alone: whom they call, when they are written and when they are edited."""

import pytest

from models import Role

NOTE = """mutation($input: AddInternalCommentInput!) { addInternalComment(input: $input) {
  ... on AddInternalCommentSuccess { comment { id } } } }"""
SAY = "mutation($input: AddCommentInput!) { addComment(input: $input) { ... on AddCommentSuccess { comment { id } } } }"
EDIT = "mutation($input: EditCommentInput!) { editComment(input: $input) { __typename } }"
NOTIFICATIONS = "{ viewer { notifications { nodes { kind body actor { name } } } } }"


@pytest.fixture
def add(api, ticket):
    """Comments on the ticket, and gives the comment's id."""

    async def added(viewer, body, *, internal=False):
        answer = await api(viewer, NOTE if internal else SAY, input={"ticketId": ticket.gid, "body": body})
        return next(iter(answer.values()))["comment"]["id"]

    return added


@pytest.fixture
def edit(api):
    """Edits a comment, which succeeds."""

    async def edited(viewer, comment_id, body):
        answer = await api(viewer, EDIT, input={"commentId": comment_id, "body": body})
        assert answer == {"editComment": {"__typename": "EditCommentSuccess"}}

    return edited


@pytest.fixture
async def member(house, support):
    return await house.person("Mia Member", Role.AGENT, support)


def words(letter):
    return letter.get_body(("plain",)).get_content()


# --- Writing ----------------------------------------------------------------------------------------------------------


async def test_a_note_is_told_to_those_who_may_read_it(
    add, watch, work, told, mailbox, house, ticket, customer, agent, member, director
):
    watching_agent = await house.person("Will Watching", Role.AGENT)
    for person in (watching_agent, director):
        await watch(person)
    await work.run()
    mailbox.letters.clear()

    await add(agent, f"@{member.name}, @{watching_agent.name}: look. @{member.name}s", internal=True)
    await work.run()

    assert (await told(member))[0] == ("MENTIONED", agent.name)
    assert (await told(director))[0] == ("COMMENT_ADDED", agent.name)
    for person in (watching_agent, customer):
        assert not any(kind in {"COMMENT_ADDED", "MENTIONED"} for kind, _ in await told(person))
    (letter,) = mailbox.letters  # whoever is named hears of it by email too
    assert letter.bcc == [member.email]
    assert "has noted, for the desk alone" in words(letter)


async def test_what_customers_read_calls_nobody(add, work, told, customer, agent, member):
    for author in (customer, agent):
        await add(author, f"@{member.name}, look.")
    await work.run()

    assert "MENTIONED" not in [kind for kind, _ in await told(member)]


async def test_a_note_names_directors_too_who_work_on_all_tickets(
    add, work, told, mailbox, watch, agent, director, ticket
):
    await watch(director)  # by which alone they would have no mail of a note
    await work.run()
    mailbox.letters.clear()

    await add(agent, f"@{director.name}, may we refund it?", internal=True)
    await work.run()

    assert await told(director) == [("MENTIONED", agent.name)]
    (letter,) = mailbox.to(director.email)
    assert "may we refund it?" in words(letter)


async def test_of_two_names_that_begin_alike_the_longer_one_is_meant(add, work, told, house, support, agent):
    max_, muller, mueller = [
        await house.person(name, Role.AGENT, support, email=f"max{number}@example.com")
        for number, name in enumerate(("Max", "Max Müller", "max müller"))
    ]
    await add(agent, "@Max Müller: look. @maximal is nobody.", internal=True)
    await work.run()

    mentioned = [any(kind == "MENTIONED" for kind, _ in await told(each)) for each in (max_, muller, mueller)]
    assert mentioned == [False, True, True]

    await add(agent, "@Max, looks.", internal=True)  # as long as the longer name, and ends where a word does
    await work.run()

    assert [kind for kind, _ in await told(max_)].count("MENTIONED") == 1


# --- Editing ----------------------------------------------------------------------------------------------------------


async def test_who_is_named_later_hears_of_it_as_who_is_named_at_once(
    api, add, edit, work, told, mailbox, agent, member, customer, ticket
):
    note = await add(agent, "Look at this.", internal=True)
    await work.run()
    mailbox.letters.clear()
    before = await told(customer)

    await edit(agent, note, f"@{member.name}, *please* look at this.")
    await work.run()

    (newest, *_) = (await api(member, NOTIFICATIONS))["viewer"]["notifications"]["nodes"]
    said = f"Printer on fire · {agent.name}: @{member.name}, please look at this."
    assert newest == {"kind": "MENTIONED", "body": said, "actor": {"name": agent.name}}
    (letter,) = mailbox.letters
    assert letter.bcc == [member.email]
    assert "has noted, for the desk alone" in words(letter)
    assert f"@{member.name}, *please* look at this." in words(letter)
    assert await told(customer) == before


async def test_who_was_named_before_is_not_told_again(
    add, edit, work, told, mailbox, house, support, agent, member, ticket
):
    another = await house.person("Noa Next", Role.AGENT, support)
    note = await add(agent, f"@{member.name}: look.", internal=True)
    await work.run()
    mailbox.letters.clear()

    await edit(agent, note, f"@{another.name} and @{member.name}: look.")
    await work.run()

    assert [kind for kind, _ in await told(member)].count("MENTIONED") == 1
    assert [kind for kind, _ in await told(another)].count("MENTIONED") == 1
    assert [letter.bcc for letter in mailbox.letters] == [[another.email]]


async def test_editing_calls_nobody_who_does_not_work_on_it(
    add, edit, work, told, mailbox, watch, agent, customer, billing_agent
):
    await watch(billing_agent)
    note = await add(agent, "Look at this.", internal=True)
    await work.run()
    mailbox.letters.clear()

    await edit(agent, note, f"@{agent.name}, @{customer.name}, @{billing_agent.name}: look.")
    await work.run()

    for person in (agent, customer, billing_agent):
        assert "MENTIONED" not in [kind for kind, _ in await told(person)]
    assert mailbox.letters == []


async def test_editing_what_customers_read_calls_nobody(add, edit, work, told, mailbox, agent, member, ticket):
    comment = await add(agent, "Look at this.")
    await work.run()
    mailbox.letters.clear()

    await edit(agent, comment, f"@{member.name}: look.")
    await work.run()

    assert "MENTIONED" not in [kind for kind, _ in await told(member)]
    assert mailbox.letters == []


async def test_of_a_note_taken_back_at_once_nobody_hears(api, add, edit, work, told, mailbox, agent, member, ticket):
    note = await add(agent, "Look at this.", internal=True)
    await work.run()
    mailbox.letters.clear()
    await edit(agent, note, f"@{member.name}: look.")
    await api(
        agent,
        "mutation($input: DeleteCommentInput!) { deleteComment(input: $input) { __typename } }",
        input={"commentId": note},
    )
    await work.run()

    assert "MENTIONED" not in [kind for kind, _ in await told(member)]
    assert mailbox.letters == []


async def test_who_lost_the_department_meanwhile_is_not_told(
    add, edit, work, told, mailbox, database, agent, member, ticket
):
    note = await add(agent, "Look at this.", internal=True)
    await work.run()
    mailbox.letters.clear()
    await edit(agent, note, f"@{member.name}: look.")
    await database.rows("DELETE FROM memberships WHERE person_id = :id", id=member.id)
    await work.run()

    assert "MENTIONED" not in [kind for kind, _ in await told(member)]
    assert mailbox.letters == []
