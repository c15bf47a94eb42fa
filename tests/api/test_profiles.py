"""What is changed of people: by themselves, and by those who keep it; and what ends by it."""

import asyncio

import pytest
from uploads import PNG

from domain import erasing, sessions
from domain.jobs import EraseFiles, Unassign
from domain.tickets import leaving
from models import Role

ME = "person { name locale timeZone avatarUrl }"
PROFILE = f"""mutation($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{ __typename
  ... on UpdateProfileSuccess {{ viewer {{ {ME} }} }} ... on InvalidInput {{ problems {{ field message }} }} }} }}"""
PERSON = """mutation($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename
  ... on UpdatePersonSuccess { person { name email role locale active departments { name } } }
  ... on InvalidInput { problems { field } } ... on NotFound { field message }
  ... on Conflict { reason current { id } } ... on Refusal { message } } }"""
ASSIGN = """mutation($ticket: ID!, $to: ID) { assignTicket(input: {ticketId: $ticket, assigneeId: $to}) {
  __typename } }"""
WATCH = """mutation($ticket: ID!, $to: ID) { watchTicket(input: {ticketId: $ticket, personId: $to}) { __typename } }"""
WHO = "{ viewer { person { role } } }"
NOWHERE = "per_00000000-0000-7000-8000-000000000000"


@pytest.fixture
def profile(api):
    """Changes what the viewer says of themselves; gives the person or the refusal."""

    async def changed(viewer, **given):
        answer = (await api(viewer, PROFILE, input=given))["updateProfile"]
        return answer["viewer"]["person"] if "viewer" in answer else answer

    return changed


@pytest.fixture
def update(api):
    """Changes a person; gives the person or the refusal."""

    async def changed(viewer, person, **given):
        answer = (await api(viewer, PERSON, input={"personId": person.gid} | given))["updatePerson"]
        return answer.get("person") or answer

    return changed


@pytest.fixture
def status(api):
    """What somebody's token is answered now, as a status."""

    async def asked(person):
        return (await api.post(person, WHO)).status_code

    return asked


async def rows(database):
    people = await database.rows("SELECT id, name, email, role, locale, time_zone, active FROM people ORDER BY id")
    members = await database.rows("SELECT person_id, department_id FROM memberships ORDER BY 1, 2")
    return people, members, await database.counts()


# --- Of themselves ----------------------------------------------------------------------------------------------------


async def test_people_say_what_they_are_called_and_where_they_are(profile, customer):
    told = await profile(customer, name=" Carla  C. ", locale="PT-br", timeZone="Europe/Lisbon")

    assert told == {"name": "Carla  C.", "locale": "pt-BR", "timeZone": "Europe/Lisbon", "avatarUrl": None}
    assert await profile(customer) == told  # what is left out stays
    assert await profile(customer, locale=None, timeZone=None) == told | {"locale": None, "timeZone": None}


async def test_each_says_it_of_themselves_alone(profile, database, customer, stranger):
    names = {customer.id: customer.name, stranger.id: stranger.name}
    for viewer in (stranger, customer):
        names[viewer.id] = (await profile(viewer, name=f"{viewer.name} Junior"))["name"]

        assert {row["id"]: row["name"] for row in (await rows(database))[0]} == names


async def test_everything_wrong_is_said_at_once(profile, database, customer):
    before = await rows(database)

    answer = await profile(
        customer, name=None, locale="?", timeZone="Europe/Nowhere", avatarUploadId=f"upl_{NOWHERE[4:]}"
    )

    assert [problem["field"] for problem in answer["problems"]] == ["name", "locale", "timeZone", "avatarUploadId"]
    assert await rows(database) == before


async def test_a_picture_is_shown_replaced_and_removed(profile, http, work, database, uploaded, customer):
    first = await profile(customer, avatarUploadId=await uploaded(customer))

    path = first["avatarUrl"].removeprefix("http://desk.test")
    response = await http.get(path)
    assert (response.content, response.headers["content-type"]) == (PNG, "image/png")
    assert await database.rows("SELECT id FROM uploads") == []

    (row,) = await database.rows("SELECT avatar_key FROM people WHERE id = :id", id=customer.id)
    second = await profile(customer, avatarUploadId=await uploaded(customer))
    assert second["avatarUrl"]
    assert (await profile(customer, name="Carla C."))["avatarUrl"]
    assert await work.asked(EraseFiles) == [EraseFiles([row["avatar_key"]])]
    await work.run()
    assert (await http.get(path)).status_code == 404
    assert (await profile(customer, avatarUploadId=None))["avatarUrl"] is None


@pytest.mark.parametrize("which", [0, 1])
async def test_of_several_pictures_the_one_that_is_named_is_shown(profile, uploaded, database, customer, which):
    pictures = [PNG, PNG + bytes(1)]
    uploads = [await uploaded(customer, picture) for picture in pictures]

    await profile(customer, avatarUploadId=uploads[which])

    assert await database.rows("SELECT avatar_bytes FROM people") == [{"avatar_bytes": len(pictures[which])}]


async def test_others_see_the_picture_where_they_see_the_person(api, profile, uploaded, customer, stranger, agent):
    await profile(customer, avatarUploadId=await uploaded(customer))
    query = "query($id: ID!) { person(id: $id) { avatarUrl } }"

    assert (await api(agent, query, id=customer.gid))["person"]["avatarUrl"].startswith("http://desk.test/files/")
    assert await api(stranger, query, id=customer.gid) == {"person": None}


async def test_what_is_no_picture_of_theirs_is_refused(profile, create, uploaded, database, customer, stranger):
    text = await uploaded(customer, b"Hello", filename="a.txt", contentType="text/plain")
    large = await uploaded(customer, PNG + bytes(2 * 1024 * 1024), filename="large.png")
    waiting = (await create(customer))["id"]
    foreign, late = await uploaded(stranger), await uploaded(customer)
    await database.rows("UPDATE uploads SET expires_at = now() WHERE id = CAST(:id AS uuid)", id=late[4:])
    before = await rows(database)

    for upload in (text, large, waiting, foreign, late, "nonsense", customer.gid):
        answer = await profile(customer, avatarUploadId=upload)
        assert [problem["field"] for problem in answer["problems"]] == ["avatarUploadId"], upload
    unknown = await profile(customer, avatarUploadId=f"upl_{NOWHERE[4:]}")
    assert unknown == await profile(customer, avatarUploadId=foreign)
    assert await rows(database) == before


async def test_a_profile_is_for_whoever_has_an_account(api, desk, database, customer, ticket):
    before = await rows(database)
    assert await api.refused(None, PROFILE, input={"name": "N"}) == "UNAUTHENTICATED"
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, ticket_id=ticket.uuid)
    customer.token = opened.access_token

    assert await api.refused(customer, PROFILE, input={"name": "N"}) == "NOT_ALLOWED"
    assert (await rows(database))[0][0]["name"] == before[0][0]["name"]


# --- Of others: what staff may ----------------------------------------------------------------------------------------


async def test_staff_correct_names_and_languages_of_customers(update, status, agent, customer):
    told = await update(agent, customer, name="Carla Corrected", locale="fr")

    assert (told["name"], told["locale"]) == ("Carla Corrected", "fr")
    assert await status(customer) == 200  # nothing of their rights has changed


@pytest.mark.parametrize(
    "given", [{"email": "x@example.com"}, {"role": "AGENT"}, {"departmentIds": []}, {"active": False}, {"active": True}]
)
async def test_all_else_of_customers_is_for_admins(update, database, agent, director, customer, given):
    before = await rows(database)

    for viewer in (agent, director, customer):
        assert (await update(viewer, customer, name="N", **given))["__typename"] == "NotAllowed"
    assert await rows(database) == before


async def test_staff_are_for_admins(update, database, agent, director, billing_agent, customer):
    before = await rows(database)

    for viewer in (agent, director, customer):
        assert (await update(viewer, billing_agent, name="N"))["__typename"] == "NotAllowed"
    assert (await update(agent, agent, name="N"))["__typename"] == "NotAllowed"
    assert await rows(database) == before


async def test_a_customer_can_t_tell_who_exists(api, database, customer, stranger):
    seen = [
        await api(customer, PERSON, input={"personId": gid, "name": "N"})
        for gid in (stranger.gid, NOWHERE, customer.gid)
    ]

    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["updatePerson"]["__typename"] == "NotAllowed"
    assert await api.refused(None, PERSON, input={"personId": NOWHERE}) == "UNAUTHENTICATED"


# --- Of others: what admins may ---------------------------------------------------------------------------------------


async def test_admins_change_everything(update, admin, agent, billing):
    told = await update(
        admin, agent, name="Ada B", email=" Ada@Example.org", role="TEAM_LEAD", departmentIds=[billing.gid], locale="de"
    )

    assert told == {
        "name": "Ada B",
        "email": "ada@example.org",
        "role": "TEAM_LEAD",
        "locale": "de",
        "active": True,
        "departments": [{"name": "Billing"}],
    }


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": "", "email": "x", "locale": "?"}, ["name", "locale", "email"]),
        ({"name": None, "email": None, "role": None, "active": None}, ["name", "email", "role", "active"]),
        ({"personId": "nonsense"}, None),
    ],
)
async def test_what_is_wrong_is_said_at_once(api, update, database, admin, agent, given, fields):
    before = await rows(database)

    answer = (await api(admin, PERSON, input={"personId": agent.gid} | given))["updatePerson"]

    assert answer["__typename"] == "InvalidInput"
    assert fields is None or [problem["field"] for problem in answer["problems"]] == fields
    assert await rows(database) == before


async def test_customers_work_in_no_department(update, database, admin, customer, agent, support):
    before = await rows(database)

    assert (await update(admin, customer, departmentIds=[support.gid]))["problems"] == [{"field": "departmentIds"}]
    both = {"role": "CUSTOMER", "departmentIds": [support.gid]}
    assert (await update(admin, agent, **both))["problems"] == [{"field": "departmentIds"}]
    assert (await update(admin, agent, departmentIds=[support.gid] * 21))["problems"] == [{"field": "departmentIds"}]
    assert await rows(database) == before


async def test_what_does_not_exist_is_not_found(api, update, database, admin, agent):
    before = await rows(database)

    answer = (await api(admin, PERSON, input={"personId": NOWHERE, "active": False}))["updatePerson"]
    assert answer == {"__typename": "NotFound", "field": "personId", "message": "There is no such person."}
    unknown = await update(admin, agent, departmentIds=[f"dep_{NOWHERE[4:]}"])
    assert (unknown["__typename"], unknown["field"]) == ("NotFound", "departmentIds.0")
    assert await rows(database) == before


async def test_an_address_is_one_person_s(update, database, admin, agent, customer):
    before = await rows(database)

    assert (await update(admin, agent, email=customer.email.upper()))["reason"] == "TAKEN"
    assert (await update(admin, agent, email=agent.email))["email"] == agent.email
    assert await rows(database) == before


async def test_links_to_an_address_of_before_sign_in_no_more(update, desk, database, admin, customer, agent):
    async with desk.writes.begin() as unit:
        await sessions.send_link(unit, customer.email)
        await sessions.send_link(unit, agent.email)

    await update(admin, customer, email="new@example.com")

    assert await database.rows("SELECT person_id FROM sign_in_links WHERE used_at IS NULL") == [{"person_id": agent.id}]


async def test_who_becomes_a_customer_works_nowhere_any_more(update, database, admin, agent):
    assert (await update(admin, agent, role="CUSTOMER"))["departments"] == []
    assert await database.rows("SELECT 1 FROM memberships") == []


async def test_where_they_go_on_working_they_stay(update, admin, agent, support, billing):
    told = await update(admin, agent, departmentIds=[billing.gid, support.gid])

    assert sorted(each["name"] for each in told["departments"]) == ["Billing", "Technical Support"]


async def test_another_name_ends_no_links(update, desk, database, agent, customer):
    async with desk.writes.begin() as unit:
        await sessions.send_link(unit, customer.email)

    await update(agent, customer, name="Carla C.")

    assert await database.rows("SELECT used_at FROM sign_in_links") == [{"used_at": None}]


@pytest.mark.parametrize(("opened_by", "goes_on"), [("link", False), ("ticket", False), ("password", True)])
async def test_another_address_ends_what_mail_to_the_one_before_has_opened(
    api, update, desk, admin, customer, ticket, opened_by, goes_on
):
    """Whoever reads that mailbox may be somebody else by now."""
    given = {"link": {"by_link": True}, "ticket": {"ticket_id": ticket.uuid}, "password": {}}[opened_by]
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, **given)

    await update(admin, customer, email="new@example.com")

    refresh = "mutation($t: String!) { refreshSession(input: {refreshToken: $t}) { __typename } }"
    answer = await api(None, refresh, t=opened.refresh_token)
    assert answer["refreshSession"]["__typename"] == ("RefreshSessionSuccess" if goes_on else "WrongCredentials")
    customer.token = opened.access_token
    assert (await api.post(customer, WHO)).status_code == (200 if goes_on else 401)


async def test_a_change_to_what_is_already_ends_nothing(update, status, admin, agent, support):
    await update(admin, agent, role="AGENT", departmentIds=[support.gid], active=True)

    assert await status(agent) == 200


@pytest.mark.parametrize(
    "given", [{"role": "TEAM_LEAD"}, {"role": "CUSTOMER"}, {"active": False}, {"departmentIds": []}]
)
async def test_other_rights_end_what_is_open_at_once(update, status, admin, agent, billing_agent, given):
    await update(admin, agent, **given)

    assert await status(agent) == 401
    assert await status(billing_agent) == 200


async def test_whoever_is_shut_out_can_come_back_in_no_way(api, update, desk, work, mailbox, database, admin, customer):
    async with desk.writes.begin() as unit:
        await sessions.send_link(unit, customer.email)
        opened = await sessions.open_for(desk, unit, customer.id)

    assert (await update(admin, customer, active=False))["active"] is False

    assert await database.rows("SELECT id FROM sign_in_links WHERE used_at IS NULL") == []  # nor once they may again
    await api(None, f'mutation {{ requestSignInLink(input: {{email: "{customer.email}"}}) {{ __typename }} }}')
    await work.run()
    assert [letter for letter in mailbox.letters if "sign-in/" in letter.as_string()] == []
    refresh = "mutation($t: String!) { refreshSession(input: {refreshToken: $t}) { __typename } }"
    assert (await api(None, refresh, t=opened.refresh_token))["refreshSession"]["__typename"] == "WrongCredentials"


async def test_the_last_active_admin_changes_all_else_of_themselves(update, admin):
    assert (await update(admin, admin, name="Alex"))["name"] == "Alex"
    assert (await update(admin, admin, name="Alexa", role="ADMIN", active=True))["name"] == "Alexa"


async def test_the_last_active_admin_stays_one(update, database, house, admin):
    gone = await house.person("Gus Gone", Role.ADMIN)
    assert (await update(admin, gone, active=False))["active"] is False
    before = await rows(database)

    for given in ({"role": "DIRECTOR"}, {"active": False}, {"role": "CUSTOMER", "name": "N"}):
        answer = await update(admin, admin, **given)
        assert (answer["reason"], answer["current"]) == ("WRONG_STATE", {"id": admin.gid})
    assert await rows(database) == before


async def test_two_admins_who_leave_at_once_leave_one(update, database, house, admin):
    other = await house.person("Otto Other", Role.ADMIN)

    answers = await asyncio.gather(update(admin, admin, role="AGENT"), update(other, other, active=False))

    assert [answer.get("reason") for answer in answers].count("WRONG_STATE") == 1
    assert len(await database.rows("SELECT id FROM people WHERE role = 'ADMIN' AND active")) == 1


@pytest.mark.parametrize("given", [{"active": False}, {"role": "AGENT"}])
async def test_of_two_admins_who_shut_each_other_out_the_second_is_none_any_more(
    update, halted, database, house, admin, given
):
    other = await house.person("Otto Other", Role.ADMIN)
    await house.person("Ann Another", Role.ADMIN)
    first = await halted(update(admin, other, **given), "FOR NO KEY UPDATE")
    second = asyncio.create_task(update(other, admin, **given))
    await asyncio.sleep(0.2)  # it waits for both

    assert (await first())["name"] == "Otto Other"
    assert (await second)["__typename"] == "NotAllowed"
    assert (await database.rows("SELECT active, role FROM people WHERE id = :id", id=admin.id)) == [
        {"active": True, "role": "ADMIN"}
    ]


# --- Their tickets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"active": False}, {"role": "CUSTOMER"}])
async def test_their_tickets_are_put_back(api, update, work, mailbox, database, admin, agent, ticket, given):
    await api(agent, ASSIGN, ticket=ticket.gid, to=agent.gid)

    await update(admin, agent, **given)
    assert len(await work.asked(Unassign)) == 2  # the second is for what is on its way to them
    await work.run()

    query = """query($id: ID!) { ticket(id: $id) { assignee { name }
      events(last: 1) { nodes { __typename actor { name } ... on TicketAssigned { toAssignee { name } } } } } }"""
    assert (await api(admin, query, id=ticket.gid))["ticket"] == {
        "assignee": None,
        "events": {"nodes": [{"__typename": "TicketAssigned", "actor": {"name": "Alex Admin"}, "toAssignee": None}]},
    }


@pytest.mark.parametrize("given", [{"active": False}, {"role": "CUSTOMER"}])
@pytest.mark.parametrize(("what", "looks"), [(ASSIGN, "memberships"), (WATCH, "watchers")])
async def test_what_is_on_its_way_to_them_is_put_back_as_well(
    api, update, work, mailbox, halted, database, admin, director, agent, ticket, given, what, looks
):
    """Whoever gives it to them has looked whether they work here before they left."""
    await work.run()
    gives = await halted(api(director, what, ticket=ticket.gid, to=agent.gid), f"FROM {looks}")
    await update(admin, agent, **given)
    await work.run()
    await gives()
    theirs = "SELECT id FROM tickets WHERE assignee_id = :id UNION SELECT ticket_id FROM watchers WHERE person_id = :id"
    assert await database.rows(theirs, id=agent.id) == [{"id": ticket.uuid}]

    await database.rows("UPDATE jobs SET due_at = now() WHERE kind = 'Unassign'")
    await work.run()

    assert await database.rows(theirs, id=agent.id) == []


async def test_who_is_a_customer_from_now_on_follows_nothing_that_they_followed_as_staff(
    api, update, work, desk, database, monkeypatch, admin, director, agent, customer, submit, problem
):
    """A customer who follows a ticket sees it, and is seen there."""
    tickets = [(await submit(customer, problem))["id"] for _ in range(3)]
    watch = "mutation($id: ID!) { watchTicket(input: {ticketId: $id}) { __typename } }"
    for ticket_id in tickets:
        for person in (agent, director):
            assert (await api(person, watch, id=ticket_id))["watchTicket"]["__typename"] == "WatchTicketSuccess"
    monkeypatch.setattr(leaving, "BATCH", 2)

    await update(admin, agent, role="CUSTOMER")
    await work.run()

    assert await database.rows("SELECT DISTINCT person_id FROM watchers") == [{"person_id": director.id}]
    async with desk.writes.begin() as unit:
        agent.token = (await sessions.open_for(desk, unit, agent.id)).access_token
    assert (await api(agent, "{ tickets { nodes { id } } }"))["tickets"]["nodes"] == []
    told = """query($id: ID!) { ticket(id: $id) { events(last: 1) { nodes { __typename actor { name }
      ... on WatchersChanged { removedWatchers { id } } } } } }"""
    for ticket_id in tickets:
        assert (await api(admin, told, id=ticket_id))["ticket"]["events"]["nodes"] == [
            {"__typename": "WatchersChanged", "actor": {"name": admin.name}, "removedWatchers": [{"id": agent.gid}]}
        ]
        (last,) = (await api(customer, told, id=ticket_id))["ticket"]["events"]["nodes"]
        assert last["__typename"] != "WatchersChanged"  # as nobody saw that staff followed
        assert (await api(customer, told, id=ticket_id))["ticket"]["events"]["nodes"][0][
            "__typename"
        ] != "WatchersChanged"


async def test_many_are_put_back_in_batches_each_once(
    api, update, work, mailbox, database, monkeypatch, admin, agent, ticket, copies
):
    await api(agent, ASSIGN, ticket=ticket.gid, to=agent.gid)
    await copies(ticket, 6)
    await database.rows("UPDATE tickets SET status = 'CLOSED' WHERE id = :id", id=ticket.uuid)
    monkeypatch.setattr(leaving, "BATCH", 2)

    await update(admin, agent, active=False)
    done = await work.run()

    assert done["Unassign"] == 4
    kept = await database.rows("SELECT id FROM tickets WHERE assignee_id IS NOT NULL")
    assert [row["id"] for row in kept] == [ticket.uuid]  # who had a closed one is its history
    (events,) = await database.rows(
        "SELECT count(*), count(DISTINCT ticket_id) AS tickets FROM events "
        "WHERE kind = 'TicketAssigned' AND data ->> 'to_assignee_id' IS NULL"
    )
    assert (events["count"], events["tickets"]) == (6, 6)


async def test_who_is_back_before_keeps_them(api, update, work, mailbox, database, admin, agent, ticket):
    await api(agent, ASSIGN, ticket=ticket.gid, to=agent.gid)

    await update(admin, agent, active=False)
    await update(admin, agent, active=True)
    await work.run()

    assert len(await database.rows("SELECT id FROM tickets WHERE assignee_id IS NOT NULL")) == 1


@pytest.mark.parametrize("given", [{"active": True}, {"name": "Carla Customer"}, {"email": "carla@new.example"}])
async def test_who_was_erased_comes_back_as_nobody(update, desk, database, admin, customer, ticket, given):
    """Nor is anybody else taken for them, and what they had asked."""
    await erasing.erase_person(desk, customer.id, lambda _: None)
    before = await database.rows("SELECT * FROM people ORDER BY id")

    refusal = await update(admin, customer, **given)

    assert (refusal["reason"], refusal["message"]) == ("WRONG_STATE", "This person was erased.")
    assert await database.rows("SELECT * FROM people ORDER BY id") == before
