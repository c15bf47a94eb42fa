"""Changing comments afterwards, following tickets, and tickets that belong together."""

import re
from types import SimpleNamespace
from uuid import UUID

import pytest

from domain import sessions
from domain.jobs import EraseFiles
from domain.messages import ticket_link
from models import Role

REFUSED = (
    "... on Refusal { message } ... on InvalidInput { field problems { field } } ... on NotFound { field } "
    "... on Conflict { reason }"
)
FEWER = "... on Refusal { message } ... on NotFound { field }"
MISSING = "tkt_0193a000-0000-7000-8000-000000000000"


def document(verb, success):
    name = verb[0].upper() + verb[1:]
    refused = FEWER if "atch" in verb or verb == "unlinkTickets" else REFUSED
    return f"""mutation Do($input: {name}Input!) {{ {verb}(input: $input) {{ __typename
  ... on {name}Success {{ {success} }} {refused} }} }}"""


TICKET = """ticket { id viewerIsWatching watchers { nodes { name } } links { kind ticket { id } }
  mergedTickets { nodes { id } } waitingSince }"""
COMMENT = "comment { body bodyHtml editedAt deletedAt attachments { filename } }"
READ = """query R($id: ID!) { ticket(id: $id) {
  status createdAt firstRespondedAt waitingSince closedAt lastSeq mergedInto { id } mergedTickets { nodes { id } }
  links { kind ticket { id } } watchers { nodes { name } } attachments { nodes { filename } }
  comments { nodes { id body internal createdAt } }
  events(last: 20) { nodes { __typename actor { name } ... on TicketMerged { tookIn other { id } }
    ... on TicketLinked { linkKind other { id } } ... on TicketUnlinked { linkKind }
    ... on WatchersChanged { addedWatchers { name } removedWatchers { name } } } } } }"""
NAMED = """query N($id: ID!) { ticket(id: $id) { events { nodes {
  ... on CommentAdded { comment { body ticket { id } } } ... on CommentEdited { comment { body ticket { id } } }
  ... on CommentDeleted { comment { body ticket { id } } } } } } }"""
ADD = """mutation A($input: AddCommentInput!) { addComment(input: $input) { __typename
  ... on AddCommentSuccess { comment { id attachments { id } } } } }"""
AGAIN = ADD.replace("... on", "... on Conflict { message current { id } } ... on", 1)
NOTE = ADD.replace("AddComment", "AddInternalComment").replace("addComment", "addInternalComment")


@pytest.fixture
def do(api):
    """Calls a mutation and gives what it answers."""

    async def done(viewer, verb, **given):
        success = COMMENT if verb.endswith("Comment") else TICKET
        return (await api(viewer, document(verb, success), input=given))[verb]

    return done


@pytest.fixture
def read(api, ticket):
    async def found(viewer, gid=None):
        return (await api(viewer, READ, id=gid or ticket.gid))["ticket"]

    return found


@pytest.fixture
def add(api, ticket):
    async def added(viewer, body="It still burns", *, text=ADD, gid=None, **given):
        answer = await api(viewer, text, input={"ticketId": gid or ticket.gid, "body": body} | given)
        return next(iter(answer.values()))["comment"]

    return added


def kinds(found):
    return [each["__typename"] for each in found["events"]["nodes"] if each["__typename"] != "MessageSent"]


# --- Comments ---------------------------------------------------------------------------------------------------------


async def test_an_author_edits_a_comment(api, do, add, read, customer, agent, database, ticket):
    comment = await add(customer, "It melts")

    answer = await do(customer, "editComment", commentId=comment["id"], body="It **freezes**")

    assert answer["comment"]["bodyHtml"] == "<p>It <strong>freezes</strong></p>"
    assert answer["comment"]["editedAt"]
    assert kinds(await read(customer))[-1] == "CommentEdited"
    search = "query S($f: TicketFilter) { tickets(filter: $f) { totalCount } }"
    assert (await api(agent, search, f={"text": "freezes"}))["tickets"]["totalCount"] == 1
    assert (await api(agent, search, f={"text": "melts"}))["tickets"]["totalCount"] == 0
    before = await database.counts()
    await do(customer, "editComment", commentId=comment["id"], body="It **freezes**")
    assert (await do(agent, "editComment", commentId=comment["id"], body="x"))["__typename"] == "NotAllowed"
    assert (await do(customer, "editComment", commentId=comment["id"], body=" "))["field"] == "body"
    await database.rows("UPDATE comments SET created_at = created_at - interval '16 minutes'")
    for verb, given in (("editComment", {"body": "x"}), ("deleteComment", {})):
        assert (await do(customer, verb, commentId=comment["id"], **given))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_leads_edit_always_but_not_on_closed_tickets(do, add, house, support, customer, database):
    lead = await house.person("Lea Lead", Role.TEAM_LEAD, support)
    comment = await add(customer)
    await database.rows("UPDATE comments SET created_at = created_at - interval '1 year'")
    assert (await do(lead, "editComment", commentId=comment["id"], body="Tidy"))["comment"]["body"] == "Tidy"
    await database.rows("UPDATE tickets SET status = 'CLOSED'")
    assert (await do(lead, "editComment", commentId=comment["id"], body="x"))["reason"] == "WRONG_STATE"


async def test_leads_of_elsewhere_edit_nothing_of_what_they_watch(
    do, add, house, billing, agent, customer, ticket, database
):
    lead = await house.person("Lea Lead", Role.TEAM_LEAD, billing)
    await do(agent, "watchTicket", ticketId=ticket.gid, personId=lead.gid)
    comment = await add(customer)
    before = await database.counts()

    for verb, given in (("editComment", {"body": "x"}), ("deleteComment", {})):
        assert (await do(lead, verb, commentId=comment["id"], **given))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_a_note_is_edited_unseen(do, add, read, agent, customer, stranger, billing_agent, database):
    note = await add(agent, "CANARY", text=NOTE)
    before = await read(customer)
    await do(agent, "editComment", commentId=note["id"], body="CANARY 2")
    assert await read(customer) == before
    counts = await database.counts()
    missing = f"com_{MISSING[4:]}"
    for viewer in (customer, stranger, billing_agent):
        for verb, given in (("editComment", {"body": "x"}), ("deleteComment", {})):
            answer = await do(viewer, verb, commentId=note["id"], **given)
            assert answer == await do(viewer, verb, commentId=missing, **given)
            assert answer["__typename"] == "NotFound"
    assert await database.counts() == counts


async def test_what_is_taken_back_is_erased(do, add, read, uploaded, work, customer, agent, database):
    comment = await add(customer, "CANARY", uploadIds=[await uploaded(customer), await uploaded(customer)])
    first = comment["attachments"][0]["id"]

    answer = await do(customer, "deleteComment", commentId=comment["id"], attachmentId=first)
    assert (answer["comment"]["body"], len(answer["comment"]["attachments"])) == ("CANARY", 1)
    assert (await do(customer, "deleteComment", commentId=comment["id"], attachmentId=first))["field"] == "attachmentId"
    answer = await do(customer, "deleteComment", commentId=comment["id"])

    assert (answer["comment"]["body"], answer["comment"]["attachments"]) == (None, [])
    assert answer["comment"]["deletedAt"]
    assert kinds(await read(customer))[-2:] == ["CommentDeleted"] * 2
    assert [len(job.keys) for job in await work.asked(EraseFiles)] == [1, 1]
    comment_id = comment["id"].removeprefix("com_")
    assert not await database.rows("SELECT 1 FROM ticket_words WHERE source_id = CAST(:id AS uuid)", id=comment_id)
    before = await database.counts()
    await do(customer, "deleteComment", commentId=comment["id"])
    assert (await do(customer, "editComment", commentId=comment["id"], body="x"))["reason"] == "WRONG_STATE"
    assert await database.counts() == before


async def test_the_files_of_other_comments_stay(do, add, read, uploaded, work, customer):
    comment = await add(customer, uploadIds=[await uploaded(customer)])
    await add(customer, uploadIds=[await uploaded(customer)])

    await do(customer, "deleteComment", commentId=comment["id"])

    assert len((await read(customer))["attachments"]["nodes"]) == 1
    assert [len(job.keys) for job in await work.asked(EraseFiles)] == [1]


async def test_without_its_only_file_a_comment_still_says_its_words(do, add, uploaded, work, customer):
    comment = await add(customer, "See the picture", uploadIds=[await uploaded(customer)])
    [file] = comment["attachments"]

    answer = await do(customer, "deleteComment", commentId=comment["id"], attachmentId=file["id"])

    assert (answer["comment"]["body"], answer["comment"]["deletedAt"]) == ("See the picture", None)
    assert answer["comment"]["attachments"] == []
    await do(customer, "deleteComment", commentId=comment["id"])
    assert len(await work.asked(EraseFiles)) == 1  # of words alone there is no file to erase


REASON = """query($id: ID!) { ticket(id: $id) { comments { nodes { id body } }
  events { nodes { ... on TicketReopened { reason } } } } }"""


async def test_a_reason_to_open_it_again_is_what_its_comment_says(
    api, do, add, submit, ticket, customer, agent, problem, database
):
    for viewer, verb, given in ((agent, "resolveTicket", {}), (customer, "reopenTicket", {"reason": "CANARY"})):
        await do(viewer, verb, ticketId=ticket.gid, **given)
    [comment] = (await api(customer, REASON, id=ticket.gid))["ticket"]["comments"]["nodes"]
    assert comment["body"] == "CANARY"

    async def reasons():
        nodes = (await api(agent, REASON, id=ticket.gid))["ticket"]["events"]["nodes"]
        return [each["reason"] for each in nodes if each]

    await do(customer, "editComment", commentId=comment["id"], body="It burns.")
    assert await reasons() == ["It burns."]
    another = await add(customer, "It smokes.")
    await do(customer, "editComment", commentId=another["id"], body="It does not smoke.")
    assert await reasons() == ["It burns."]
    other = await submit(customer, problem)  # into which the comment goes, while the history stays
    await do(agent, "mergeTickets", intoTicketId=other["id"], ticketIds=[ticket.gid])
    await do(customer, "deleteComment", commentId=comment["id"])

    assert await reasons() == [""]
    found = await database.rows("SELECT text FROM event_texts WHERE text IN ('CANARY', 'It burns.')")
    assert found == []


async def test_the_last_file_of_a_comment_without_words_is_all_of_it(
    do, add, uploaded, work, mailbox, customer, agent, database
):
    await work.run()
    mailbox.letters.clear()
    comment = await add(agent, "", uploadIds=[await uploaded(agent), await uploaded(agent)])
    first, second = (each["id"] for each in comment["attachments"])
    answer = await do(agent, "deleteComment", commentId=comment["id"], attachmentId=first)
    assert (answer["comment"]["deletedAt"], len(answer["comment"]["attachments"])) == (None, 1)

    answer = await do(agent, "deleteComment", commentId=comment["id"], attachmentId=second)

    assert answer["comment"].pop("deletedAt")
    assert answer["comment"] == {"body": None, "bodyHtml": None, "editedAt": None, "attachments": []}
    await work.run()
    assert mailbox.letters == []  # in which somebody has written nothing


# --- Watching ---------------------------------------------------------------------------------------------------------


async def test_who_watches_sees(do, read, api, house, stranger, customer, agent, billing_agent, ticket, database):
    answer = await do(agent, "watchTicket", ticketId=ticket.gid, personId=stranger.gid)
    assert [each["name"] for each in answer["ticket"]["watchers"]["nodes"]] == [stranger.name]
    found = await read(stranger)
    assert found["events"]["nodes"][-1]["addedWatchers"] == [{"name": stranger.name}]
    await do(agent, "watchTicket", ticketId=ticket.gid)
    assert kinds(await read(agent))[-1] == "WatchersChanged"
    assert await read(stranger) == found
    before = await database.counts()
    await do(agent, "watchTicket", ticketId=ticket.gid)
    for verb in ("watchTicket", "unwatchTicket"):
        assert (await do(stranger, verb, ticketId=ticket.gid, personId=agent.gid))["__typename"] == "NotAllowed"
        assert (await do(billing_agent, verb, ticketId=ticket.gid))["__typename"] == "NotFound"
        person = f"per_{MISSING[4:]}"
        assert (await do(agent, verb, ticketId=ticket.gid, personId=person))["field"] == "personId"
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=billing_agent.id)
    shut_out = await do(agent, "watchTicket", ticketId=ticket.gid, personId=billing_agent.gid)
    assert (shut_out["__typename"], shut_out["field"]) == ("NotFound", "personId")
    assert await database.counts() == before
    answer = await do(stranger, "unwatchTicket", ticketId=ticket.gid)
    assert (answer["ticket"]["id"], answer["ticket"]["viewerIsWatching"]) == (ticket.gid, False)
    assert await read(stranger) is None


def changed(found, name):
    """Who came or went, by each event of the ticket that says so of anybody."""
    said = [[each["name"] for each in event.get(name, ())] for event in found["events"]["nodes"]]
    return [names for names in said if names]


async def test_who_follows_one_no_more_still_follows_others(
    do, read, submit, database, stranger, customer, agent, problem, ticket
):
    other = await submit(customer, problem)
    for gid in (ticket.gid, other["id"]):
        for person in (agent, stranger):
            await do(agent, "watchTicket", ticketId=gid, personId=person.gid)

    for person in (agent, stranger):
        answer = await do(person, "unwatchTicket", ticketId=ticket.gid, personId=person.gid)
        assert answer["ticket"]["viewerIsWatching"] is False

    found = await read(agent)
    assert (found["watchers"]["nodes"], changed(found, "removedWatchers")) == ([], [[agent.name], [stranger.name]])
    seen = await read(customer)
    assert changed(seen, "removedWatchers") == [[stranger.name]]
    assert kinds(seen).count("WatchersChanged") == 2  # nothing tells of staff who follow
    assert len((await read(agent, other["id"]))["watchers"]["nodes"]) == 2
    before = await database.counts()
    await do(agent, "unwatchTicket", ticketId=ticket.gid)
    assert await database.counts() == before


# --- Linking ----------------------------------------------------------------------------------------------------------


async def test_a_link_is_seen_from_both(do, read, submit, agent, customer, problem, ticket):
    other = await submit(customer, problem)
    given = {"ticketId": ticket.gid, "otherTicketId": other["id"]}

    answer = await do(agent, "linkTickets", kind="BLOCKED_BY", **given)

    assert answer["ticket"]["links"] == [{"kind": "BLOCKED_BY", "ticket": {"id": other["id"]}}]
    assert (await read(customer, other["id"]))["links"] == [{"kind": "BLOCKS", "ticket": {"id": ticket.gid}}]
    seq = (await read(agent))["lastSeq"]
    await do(agent, "linkTickets", kind="BLOCKED_BY", **given)
    assert (await read(agent))["lastSeq"] == seq
    await do(agent, "linkTickets", **given)
    assert kinds(await read(agent))[-2:] == ["TicketUnlinked", "TicketLinked"]
    assert "Linked" not in str(kinds(await read(customer)))
    swapped = {"ticketId": other["id"], "otherTicketId": ticket.gid}
    assert (await do(agent, "unlinkTickets", **swapped))["ticket"]["links"] == []
    assert (await read(agent))["links"] == []
    assert kinds(await read(agent, other["id"]))[-1] == "TicketUnlinked"


@pytest.mark.parametrize(
    ("kind", "inverse"), [("BLOCKED_BY", "BLOCKS"), ("BLOCKS", "BLOCKED_BY"), ("RELATED", "RELATED")]
)
async def test_each_link_says_what_one_is_to_the_other(
    do, read, submit, agent, customer, problem, ticket, kind, inverse
):
    async def links(gid):
        return {each["ticket"]["id"]: each["kind"] for each in (await read(agent, gid))["links"]}

    first, second = [(await submit(customer, problem))["id"] for _ in range(2)]
    for other in (first, second):
        await do(agent, "linkTickets", ticketId=ticket.gid, otherTicketId=other, kind="BLOCKED_BY")

    await do(agent, "linkTickets", ticketId=first, otherTicketId=second)

    await do(agent, "linkTickets", ticketId=first, otherTicketId=ticket.gid, kind=kind)

    others = {second: "BLOCKED_BY"}, {second: "RELATED"}, {ticket.gid: "BLOCKS", first: "RELATED"}
    assert await links(ticket.gid) == {first: inverse} | others[0]
    assert await links(first) == {ticket.gid: kind} | others[1]
    assert await links(second) == others[2]
    await do(agent, "unlinkTickets", ticketId=ticket.gid, otherTicketId=first)
    assert tuple([await links(gid) for gid in (ticket.gid, first, second)]) == others
    for gid, was in ((ticket.gid, inverse), (first, kind)):
        last = (await read(agent, gid))["events"]["nodes"][-1]
        assert (last["__typename"], last["linkKind"]) == ("TicketUnlinked", was)


async def test_linking_needs_sight_of_both(
    do, read, submit, database, agent, billing_agent, customer, invoices, ticket
):
    hidden = await submit(customer, invoices)
    before = await database.counts()
    for verb in ("linkTickets", "unlinkTickets"):
        answer = await do(agent, verb, ticketId=ticket.gid, otherTicketId=hidden["id"])
        assert answer == await do(agent, verb, ticketId=ticket.gid, otherTicketId=MISSING)
        assert answer["field"] == "otherTicketId"
        given = {"ticketId": ticket.gid, "otherTicketId": hidden["id"]}
        assert (await do(customer, verb, **given))["__typename"] == "NotAllowed"
    assert (await do(agent, "linkTickets", ticketId=ticket.gid, otherTicketId=ticket.gid))["field"] == "otherTicketId"
    assert await database.counts() == before


async def test_staff_who_only_watch_neither_link_nor_merge(
    do, submit, database, agent, billing_agent, customer, problem, ticket
):
    other = (await submit(customer, problem))["id"]
    for gid in (ticket.gid, other):
        await do(agent, "watchTicket", ticketId=gid, personId=billing_agent.gid)
    before = await database.counts()
    for verb, given in (
        ("linkTickets", {"ticketId": ticket.gid, "otherTicketId": other}),
        ("unlinkTickets", {"ticketId": ticket.gid, "otherTicketId": other}),
        ("mergeTickets", {"intoTicketId": ticket.gid, "ticketIds": [other]}),
    ):
        assert (await do(billing_agent, verb, **given))["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_of_a_link_others_see_only_what_they_may(do, read, submit, director, agent, customer, invoices, ticket):
    hidden = await submit(customer, invoices)
    await do(director, "linkTickets", ticketId=ticket.gid, otherTicketId=hidden["id"])
    found = await read(agent)
    assert (found["links"], found["events"]["nodes"][-1]["other"]) == ([], None)


# --- Merging ----------------------------------------------------------------------------------------------------------


async def test_tickets_of_one_customer_become_one(
    api, do, read, add, uploaded, submit, house, database, agent, customer, stranger, problem, ticket
):
    source = await submit(customer, problem, subject="Same fire")
    comment = await add(customer, "phoenix", gid=source["id"], uploadIds=[await uploaded(customer)])
    await do(agent, "watchTicket", ticketId=source["id"], personId=stranger.gid)
    await add(agent, "SECRET", text=NOTE, gid=source["id"])
    written = (await read(agent, source["id"]))["comments"]["nodes"]
    given = {"intoTicketId": ticket.gid, "ticketIds": [source["id"], source["id"]], "idempotencyKey": "k"}

    answer = await do(agent, "mergeTickets", **given)

    assert answer["ticket"]["mergedTickets"]["nodes"] == [{"id": source["id"]}]
    into, gone = await read(agent), await read(agent, source["id"])
    assert (into["comments"]["nodes"], gone["comments"]["nodes"]) == (written, [])
    assert [each["filename"] for each in into["attachments"]["nodes"]] == ["cat.png"]
    assert (into["watchers"]["nodes"], gone["watchers"]["nodes"]) == ([{"name": stranger.name}], [])
    assert (gone["status"], gone["mergedInto"]) == ("CLOSED", {"id": ticket.gid})
    assert into["events"]["nodes"][-1] == {
        "__typename": "TicketMerged", "actor": {"name": agent.name}, "tookIn": True, "other": {"id": source["id"]},
    }  # fmt: skip
    assert gone["events"]["nodes"][-1]["tookIn"] is False
    came, left = into["events"]["nodes"][-2], gone["events"]["nodes"][-2]
    assert (came["addedWatchers"], came["removedWatchers"]) == ([{"name": stranger.name}], [])
    assert (left["addedWatchers"], left["removedWatchers"]) == ([], [{"name": stranger.name}])
    assert "SECRET" not in str(await read(stranger))
    search = "query S($f: TicketFilter) { tickets(filter: $f) { nodes { id } } }"
    found = (await api(customer, search, f={"text": "printer phoenix"}))["tickets"]["nodes"]
    assert found == [{"id": ticket.gid}]
    assert (await api(customer, search, f={"text": "same phoenix"}))["tickets"]["nodes"] == []
    refused = (await api(customer, AGAIN, input={"ticketId": source["id"], "body": "Still there?"}))["addComment"]
    where = f"This ticket was merged into #{ticket.number}, where it goes on."
    assert refused == {"__typename": "Conflict", "message": where, "current": {"id": ticket.gid}}
    refused = (await api(stranger, AGAIN, input={"ticketId": source["id"], "body": "Still there?"}))["addComment"]
    assert refused["__typename"] == "NotFound"
    before = await database.counts()
    assert await do(agent, "mergeTickets", **given) == answer
    assert (await do(agent, "mergeTickets", intoTicketId=source["id"], ticketIds=[ticket.gid]))[
        "reason"
    ] == "WRONG_STATE"
    assert (await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]]))[
        "reason"
    ] == "WRONG_STATE"
    assert await database.counts() == before
    assert comment["id"] in str(await read(stranger))


async def test_who_follows_what_is_merged_follows_the_other_and_nobody_else_does(
    do, read, submit, house, agent, billing_agent, customer, stranger, problem, ticket
):
    source, third = await submit(customer, problem), await submit(customer, problem)
    known, bystander = await house.person("Kay Known"), await house.person("Bea Bystander")
    for gid, people in (
        (ticket.gid, [known]),
        (source["id"], [known, stranger, billing_agent]),
        (third["id"], [bystander]),
    ):
        for person in people:
            await do(agent, "watchTicket", ticketId=gid, personId=person.gid)

    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])

    into, gone = await read(agent), await read(agent, source["id"])
    theirs = [[each["name"] for each in found["watchers"]["nodes"]] for found in (into, gone)]
    assert [sorted(names) for names in theirs] == [sorted([billing_agent.name, known.name, stranger.name]), []]
    assert changed(into, "addedWatchers") == [[known.name], [stranger.name], [billing_agent.name]]
    assert [sorted(names) for names in changed(gone, "removedWatchers")] == [
        sorted([known.name, stranger.name]),
        [billing_agent.name],
    ]
    assert changed(await read(customer), "addedWatchers") == [[known.name], [stranger.name]]
    assert (await read(agent, third["id"]))["watchers"]["nodes"] == [{"name": bystander.name}]


async def test_of_what_is_merged_no_solution_waits_for_an_answer_any_more(
    do, submit, database, agent, customer, problem, ticket
):
    source = await submit(customer, problem, subject="Same fire")
    await do(agent, "resolveTicket", ticketId=source["id"])
    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])

    assert await database.rows("SELECT state, confirm_by FROM resolutions") == [
        {"state": "EXPIRED", "confirm_by": None}
    ]


async def test_what_is_no_answer_where_it_is_merged_from_is_none(
    do, read, add, submit, agent, customer, stranger, problem, ticket
):
    """What was said before the other came in, by customers, within the desk, elsewhere, or was taken back."""
    await add(agent, "We look.")
    later, source, elsewhere = [(await submit(customer, problem))["id"] for _ in range(3)]
    await do(agent, "watchTicket", ticketId=source, personId=stranger.gid)
    for person in (customer, stranger):
        await add(person, "Well?", gid=source)
    await add(agent, "They ask.", text=NOTE, gid=source)
    await do(agent, "deleteComment", commentId=(await add(agent, "Soon.", gid=source))["id"])
    await add(agent, "We look.", gid=elsewhere)

    await do(agent, "mergeTickets", intoTicketId=later, ticketIds=[ticket.gid, source])

    assert (await read(agent, later))["firstRespondedAt"] is None


async def test_a_ticket_waits_as_long_as_what_it_takes_in(do, read, submit, agent, customer, problem, ticket):
    later = await submit(customer, problem)

    await do(agent, "mergeTickets", intoTicketId=later["id"], ticketIds=[ticket.gid])

    into, gone = await read(agent, later["id"]), await read(agent)
    assert into["waitingSince"] == gone["createdAt"] < into["createdAt"]
    assert (gone["waitingSince"], gone["closedAt"] is not None) == (None, True)


async def test_a_first_answer_stays_the_first(do, read, add, submit, agent, customer, problem, ticket):
    source = (await submit(customer, problem))["id"]
    await add(agent, "We look.")
    first = (await read(agent))["firstRespondedAt"]
    await add(agent, "Here, too.", gid=source)

    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source])

    assert (await read(agent))["firstRespondedAt"] == first


async def test_nobody_waits_on_a_resolved_ticket_that_takes_one_in(do, submit, agent, customer, problem, ticket):
    source = await submit(customer, problem, subject="Same fire")
    await do(agent, "resolveTicket", ticketId=ticket.gid)

    answer = await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])

    assert answer["ticket"]["waitingSince"] is None


async def test_what_waits_for_its_customer_opens_where_they_wait_in_another(
    do, read, submit, agent, customer, problem, ticket
):
    source = await submit(customer, problem, subject="Same fire")
    await do(agent, "changeTicketStatus", ticketId=ticket.gid, status="PENDING")

    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])

    into = await read(agent)
    assert (into["status"], into["events"]["nodes"][-1]["__typename"]) == ("OPEN", "StatusChanged")


@pytest.mark.parametrize(("into", "source"), [("PENDING", "PENDING"), ("ON_HOLD", "OPEN"), ("OPEN", "OPEN")])
async def test_else_a_ticket_stays_as_it_was_when_it_takes_one_in(
    do, read, submit, database, agent, customer, problem, ticket, into, source
):
    other = await submit(customer, problem, subject="Same fire")
    for gid, status in ((ticket.gid, into), (other["id"], source)):
        await do(agent, "changeTicketStatus", ticketId=gid, status=status)

    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[other["id"]])

    assert (await read(agent))["status"] == into


async def test_who_followed_one_is_told_in_the_other(
    do, submit, work, mailbox, house, database, agent, customer, stranger, billing_agent, problem, ticket
):
    source = await submit(customer, problem, subject="Same fire")
    follows_both = await house.person("Bea Both")
    for person, gid in ((stranger, source["id"]), (follows_both, source["id"]), (follows_both, ticket.gid)):
        await do(agent, "watchTicket", ticketId=gid, personId=person.gid)
    await do(agent, "watchTicket", ticketId=source["id"], personId=billing_agent.gid)
    await do(agent, "watchTicket", ticketId=source["id"])
    follows_this = await house.person("Tim This")
    await do(agent, "watchTicket", ticketId=ticket.gid, personId=follows_this.gid)
    await work.run()
    mailbox.letters.clear()
    await database.rows("DELETE FROM notifications")

    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])
    await work.run()

    said = "A ticket that you follow was merged with this one, where it goes on."
    for person in (stranger, follows_both, billing_agent):
        (letter,) = mailbox.to(person.email)
        assert letter["Subject"] == f"Re: [#{ticket.number}] Printer on fire"
        assert said in letter.get_body(("plain",)).get_content()
    assert mailbox.to(follows_this.email) == mailbox.to(agent.email) == []
    (letter,) = mailbox.to(customer.email)  # of the one that went
    assert said not in letter.get_body(("plain",)).get_content()
    told = await database.rows("SELECT person_id FROM notifications WHERE ticket_id = :id", id=ticket.uuid)
    assert {row["person_id"] for row in told} == {stranger.id, follows_both.id, billing_agent.id}


async def test_who_asked_is_led_to_where_it_goes_on(
    api, desk, do, submit, work, mailbox, http, database, agent, billing_agent, customer, problem, ticket
):
    source = await submit(customer, problem, subject="Same fire")
    sql = "UPDATE tickets SET assignee_id = :who WHERE id = :id"  # who sees this one alone
    await database.rows(sql, who=billing_agent.id, id=UUID(source["id"][4:]))
    await work.run()
    mailbox.letters.clear()

    await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])
    await work.run()

    (letter,) = mailbox.to(customer.email)
    text = letter.get_body(("plain",)).get_content()
    assert f"It was merged with #{ticket.number}, where it goes on." in text
    page = await http.get(re.search(r"http://desk\.test(/t/\S+)", text)[1])
    assert "Printer on fire" in page.text
    assert 'name="body"' in page.text
    refused = (await api(billing_agent, AGAIN, input={"ticketId": source["id"], "body": "And?"}))["addComment"]
    unseen = "This ticket was merged into another one, which you can't see."
    assert refused == {"__typename": "Conflict", "message": unseen, "current": {"id": source["id"]}}
    left = await http.get(ticket_link("", desk.signer, UUID(source["id"][4:]), customer.id, customer.email))
    assert "It goes on in another one: our email about that leads there." in left.text
    assert "Printer on fire" not in left.text
    (letter,) = mailbox.to(billing_agent.email)
    text = letter.get_body(("plain",)).get_content()
    assert "It was merged with another one, where it goes on." in text
    assert f"#{ticket.number} " not in text


async def test_a_merged_tickets_history_does_not_lead_into_the_other_whoever_does_not_see_that(
    api, desk, do, add, submit, customer, stranger, director, billing_agent, invoices, ticket
):
    source = await submit(customer, invoices, subject="Same fire")
    comment = await add(customer, gid=source["id"])
    await do(customer, "editComment", commentId=comment["id"], body="It smokes")
    gone = await add(customer, gid=source["id"])
    await do(customer, "deleteComment", commentId=gone["id"])
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, ticket_id=UUID(source["id"][4:]))
    by_link = SimpleNamespace(token=opened.access_token)
    await do(director, "mergeTickets", intoTicketId=ticket.gid, ticketIds=[source["id"]])

    async def led_to(viewer):
        found = (await api(viewer, NAMED, id=source["id"]))["ticket"]["events"]["nodes"]
        assert [each["comment"]["body"] for each in found if each] == ["It smokes", "It smokes", None, None]
        return {each["comment"]["ticket"]["id"] for each in found if each}

    assert await led_to(customer) == await led_to(director) == {ticket.gid}
    assert await led_to(billing_agent) == await led_to(by_link) == {source["id"]}
    handed = "mutation ($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename } }"
    await api(director, handed, input={"ticketId": ticket.gid, "requesterId": stranger.gid})
    assert await led_to(customer) == {source["id"]}


async def test_what_can_not_be_merged(
    do, submit, database, agent, billing_agent, customer, stranger, problem, invoices, ticket
):
    theirs, hidden = await submit(stranger, problem), await submit(customer, invoices)
    before = await database.counts()
    for viewer, given, kind in (
        (agent, {"ticketIds": [theirs["id"]]}, "InvalidInput"),
        (agent, {"ticketIds": [hidden["id"]]}, "NotFound"),
        (agent, {"ticketIds": [ticket.gid]}, "InvalidInput"),
        (agent, {"ticketIds": []}, "InvalidInput"),
        (agent, {"ticketIds": [theirs["id"]] * 21}, "InvalidInput"),
        (customer, {"ticketIds": [hidden["id"]]}, "NotAllowed"),
        (billing_agent, {"ticketIds": [hidden["id"]]}, "NotFound"),
    ):
        assert (await do(viewer, "mergeTickets", intoTicketId=ticket.gid, **given))["__typename"] == kind
    several = [theirs["id"], (await submit(customer, problem))["id"], (await submit(stranger, problem))["id"]]
    before = await database.counts()
    refusal = await do(agent, "mergeTickets", intoTicketId=ticket.gid, ticketIds=several)
    assert [problem["field"] for problem in refusal["problems"]] == ["ticketIds.0", "ticketIds.2"]
    assert await database.counts() == before
