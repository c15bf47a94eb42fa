"""Files: announced, sent, hung on a ticket and fetched again; and what becomes of those that nobody names."""

import asyncio
import datetime as dt
import hashlib
from unittest.mock import ANY

import pytest
from uploads import CREATE, PNG

from domain import attachments, attempts
from domain.jobs import EraseFiles
from infra import unit

ZIP = b"PK\x05\x06" + b"\0" * 18  # an empty one
FILES = """query($id: ID!) { ticket(id: $id) { attachments { totalCount
  nodes { id filename contentType sizeBytes url uploadedBy { name } createdAt } } } }"""


def kept(desk):
    """The contents of all files that are stored."""
    folder = desk.settings.data_dir / "files"
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
async def nothing_kept_before(desk, database):
    """No file is left over from another test."""
    folder = desk.settings.data_dir / "files"
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


# --- A place for a file -----------------------------------------------------------------------------------------------


async def test_a_place_for_a_file_says_all_that_a_client_needs(create, customer):
    upload = await create(customer, contentType=" IMAGE/png; q=1")

    assert upload == {
        "id": ANY,
        "url": ANY,
        "method": "PUT",
        "headers": [{"name": "Content-Type", "value": "image/png"}],
        "expiresAt": ANY,
    }
    assert upload["id"].startswith("upl_")
    assert upload["url"].startswith("http://desk.test/uploads/")
    lasts = dt.datetime.fromisoformat(upload["expiresAt"]) - unit.now()
    assert lasts.total_seconds() == pytest.approx(24 * 60 * 60, abs=5)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"filename": " "}, ["filename"]),
        ({"filename": "x" * 256}, ["filename"]),
        ({"contentType": ""}, ["contentType"]),
        ({"contentType": "image"}, ["contentType"]),
        ({"contentType": "image/*"}, ["contentType"]),
        ({"contentType": "image/png\r\nX-Evil: 1"}, ["contentType"]),
        ({"contentType": "image/" + "x" * 200}, ["contentType"]),
        ({"contentType": "text/html"}, ["contentType"]),
        ({"contentType": "image/svg+xml"}, ["contentType"]),
        ({"contentType": "application/x-msdownload"}, ["contentType"]),
        ({"sizeBytes": 0}, ["sizeBytes"]),
        ({"sizeBytes": -1}, ["sizeBytes"]),
        ({"sizeBytes": 25 * 1024 * 1024 + 1}, ["sizeBytes"]),
        ({"filename": "", "contentType": "", "sizeBytes": 0}, ["filename", "contentType", "sizeBytes"]),
    ],
)
async def test_what_will_not_be_taken_is_refused_before_a_byte_flows(create, database, customer, given, fields):
    before = await database.counts()

    answer = await create(customer, **given)

    assert answer["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


async def test_what_is_just_possible_is_possible(create, customer):
    most = {"filename": "x" * 255, "contentType": "text/plain", "sizeBytes": 25 * 1024 * 1024}

    assert (await create(customer, **most))["id"]
    assert (await create(customer, filename="x", contentType="application/pdf", sizeBytes=1))["id"]


async def test_nobody_sends_files_who_is_not_signed_in(api, database):
    given = {"filename": "cat.png", "contentType": "image/png", "sizeBytes": 1}
    before = await database.counts()

    assert await api.refused(None, CREATE, input=given) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_nobody_asks_for_places_without_end(desk, create, database, customer, stranger):
    for _ in range(attempts.UPLOAD_BY_PERSON.most):
        await attempts.take(desk.writes, attempts.UPLOAD_BY_PERSON, str(customer.id))
    before = await database.counts()

    answer = await create(customer)

    assert answer["__typename"] == "RateLimited"
    assert answer["retryAfterSeconds"] > 0
    assert await database.counts() == before
    assert (await create(stranger))["id"]


# --- Bytes ------------------------------------------------------------------------------------------------------------


async def test_bytes_arrive_and_are_known_by_their_hash(desk, create, send, database, customer):
    upload = await create(customer)

    assert (await send(upload)).status_code == 204

    assert kept(desk) == [PNG]
    (row,) = await database.rows("SELECT content_type, sha256, stored_at IS NOT NULL AS stored FROM uploads")
    assert row == {"content_type": "image/png", "sha256": hashlib.sha256(PNG).hexdigest(), "stored": True}
    assert (await send(upload)).status_code == 204  # a repeat after a lost answer
    assert (await send(upload, PNG[:-1] + b"x")).status_code == 409
    assert kept(desk) == [PNG]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PNG + b"x", 413),
        (PNG[:-1], 400),
        (b"<html><script>".ljust(len(PNG)), 415),
        (b"MZ".ljust(len(PNG), b"\x90"), 415),
    ],
)
async def test_bytes_that_are_not_what_was_announced_leave_nothing(
    desk, create, send, database, customer, body, status
):
    upload = await create(customer)

    assert (await send(upload, body)).status_code == status

    assert kept(desk) == []
    assert await database.rows("SELECT stored_at FROM uploads") == [{"stored_at": None}]
    assert (await send(upload)).status_code == 204  # the right ones may still come


async def test_bytes_that_come_too_late_are_refused(desk, create, send, database, customer):
    upload = await create(customer)
    await database.rows("UPDATE uploads SET expires_at = :now", now=unit.now())

    assert (await send(upload)).status_code == 404
    assert kept(desk) == []


async def test_a_place_whose_file_hangs_on_a_ticket_takes_no_more(desk, create, send, submit, customer, problem):
    upload = await create(customer)
    await send(upload)
    await submit(customer, problem, uploadIds=[upload["id"]])

    assert (await send(upload)).status_code == 404
    assert kept(desk) == [PNG]


# --- On a ticket ------------------------------------------------------------------------------------------------------


async def test_a_ticket_shows_its_files_and_they_can_be_fetched(
    api, http, submit, uploaded, database, customer, agent, problem
):
    picture, text = (
        await uploaded(customer),
        await uploaded(customer, b"Hello.", filename="log.txt", contentType="text/plain"),
    )

    ticket = await submit(customer, problem, uploadIds=[text, picture])

    for viewer in (customer, agent):
        files = (await api(viewer, FILES, id=ticket["id"]))["ticket"]["attachments"]
        assert files["totalCount"] == 2
        assert files["nodes"] == [
            {
                "id": ANY,
                "filename": filename,
                "contentType": content_type,
                "sizeBytes": size,
                "url": ANY,
                "uploadedBy": {"name": "Carla Customer"},
                "createdAt": ANY,
            }
            for filename, content_type, size in (("log.txt", "text/plain", 6), ("cat.png", "image/png", len(PNG)))
        ]
    response = await http.get(files["nodes"][1]["url"])
    assert (response.status_code, response.content) == (200, PNG)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"].startswith('inline; filename="cat.png"')
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"
    other = await http.get(files["nodes"][0]["url"])
    assert other.headers["content-disposition"].startswith('attachment; filename="log.txt"')
    assert await database.rows("SELECT id FROM uploads") == []


async def test_a_link_to_a_file_that_was_not_made_here_gives_nothing(api, http, submit, uploaded, customer, problem):
    ticket = await submit(customer, problem, uploadIds=[await uploaded(customer)])
    (node,) = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]["nodes"]
    head, payload, signature = node["url"].rpartition("/")[2].split(".")

    forged = await http.get(f"/files/{head}.{payload}.{signature[::-1]}")

    assert forged.status_code == 404
    assert PNG not in forged.content


@pytest.mark.parametrize(
    ("claimed", "filename", "body", "found"),
    [
        ("application/octet-stream", "router.log", b"up, down", "text/plain"),
        ("application/x-zip-compressed", "logs.zip", ZIP, "application/zip"),
    ],
)
async def test_a_file_may_be_claimed_as_browsers_do(
    api, submit, uploaded, customer, problem, claimed, filename, body, found
):
    """Which know no type for many endings, and another name for some."""
    upload_id = await uploaded(customer, body, filename=filename, contentType=claimed)

    ticket = await submit(customer, problem, uploadIds=[upload_id])

    (node,) = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]["nodes"]
    assert (node["filename"], node["contentType"]) == (filename, found)


async def test_what_is_claimed_as_unknown_has_still_to_be_accepted(api, http, create, customer, database):
    body = b"<html><script>alert(1)</script></html>"
    place = await create(customer, filename="x.bin", contentType="application/octet-stream", sizeBytes=len(body))
    before = await database.counts()

    sent = await http.put(place["url"], content=body)

    assert (sent.status_code, sent.json()["message"]) == (415, "The content is text/html, which is not accepted.")
    assert await database.counts() == before


async def test_a_claim_that_is_a_lie_is_not_believed(api, http, submit, uploaded, customer, problem):
    upload_id = await uploaded(customer, b"Just words.", filename="cat.png", contentType="image/png")

    ticket = await submit(customer, problem, uploadIds=[upload_id])

    (node,) = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]["nodes"]
    assert node["contentType"] == "text/plain"
    response = await http.get(node["url"])
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment;")


async def test_a_ticket_takes_ten_files(api, submit, uploaded, customer, problem):
    ids = [await uploaded(customer, filename=f"{number}.png") for number in range(10)]

    ticket = await submit(customer, problem, uploadIds=ids)

    files = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]
    assert [node["filename"] for node in files["nodes"]] == [f"{number}.png" for number in range(10)]


async def test_what_cannot_be_attached_is_said_and_nothing_comes_of_it(
    create, submit, uploaded, database, customer, agent, stranger, problem
):
    mine, unfinished = await uploaded(customer), (await create(customer))["id"]
    before = await database.counts()

    async def refused(viewer, *ids):
        answer = await submit(viewer, problem, uploadIds=list(ids))
        return answer["__typename"], answer["field"]

    assert await refused(customer, mine, unfinished) == ("InvalidInput", "uploadIds.1")
    assert await refused(customer, mine, mine) == ("InvalidInput", "uploadIds")
    assert await refused(customer, *[mine] * 11) == ("InvalidInput", "uploadIds")
    assert await refused(customer, mine, f"tkt_{customer.id}") == ("InvalidInput", "uploadIds.1")
    assert await refused(customer, mine, f"upl_{customer.id}") == ("NotFound", "uploadIds.1")
    assert await refused(stranger, mine) == ("NotFound", "uploadIds.0")
    assert await refused(agent, unfinished, mine) == ("NotFound", "uploadIds.0")
    assert await database.counts() == before


async def test_more_than_ten_files_are_refused(create, submit, database, customer, problem):
    ids = [(await create(customer))["id"] for _ in range(11)]
    before = await database.counts()

    answer = await submit(customer, problem, uploadIds=ids)

    assert answer["__typename"] == "InvalidInput"
    assert answer["message"] == "At most 10 files are possible."
    assert await database.counts() == before


async def test_a_file_hangs_on_one_ticket_only(submit, uploaded, database, customer, problem):
    upload_id = await uploaded(customer)
    await submit(customer, problem, uploadIds=[upload_id])
    before = await database.counts()

    answer = await submit(customer, problem, uploadIds=[upload_id])

    assert (answer["__typename"], answer["field"]) == ("NotFound", "uploadIds.0")
    assert await database.counts() == before


async def test_of_two_tickets_at_once_one_gets_the_file(submit, uploaded, database, customer, problem):
    upload_id = await uploaded(customer)

    answers = await asyncio.gather(*[submit(customer, problem, uploadIds=[upload_id]) for _ in range(2)])

    assert sorted(answer.get("__typename", "Ticket") for answer in answers) == ["NotFound", "Ticket"]
    counts = await database.counts()
    assert (counts["tickets"], counts["attachments"]) == (1, 1)


@pytest.mark.parametrize("on", ["ticket", "profile"])
async def test_what_is_sent_twice_at_once_stays_once_it_is_named(
    api, create, send, submit, desk, monkeypatch, database, customer, problem, on
):
    """The first request has stored the bytes, and comes to say so when the second one has, and they are in use."""
    upload, receive, waits, goes_on = await create(customer), desk.files.receive, asyncio.Event(), asyncio.Event()

    async def received(*arguments, **options):
        found = await receive(*arguments, **options)
        if not waits.is_set():
            waits.set()
            await goes_on.wait()
        return found

    monkeypatch.setattr(desk.files, "receive", received)
    first = asyncio.create_task(send(upload))
    await waits.wait()
    assert (await send(upload)).status_code == 204
    if on == "ticket":
        await submit(customer, problem, uploadIds=[upload["id"]])
        (row,) = await database.rows("SELECT key FROM attachments")
    else:
        mine = "mutation($id: ID!) { updateProfile(input: {avatarUploadId: $id}) { __typename } }"
        await api(customer, mine, id=upload["id"])
        (row,) = await database.rows("SELECT avatar_key AS key FROM people WHERE avatar_key IS NOT NULL")
    goes_on.set()

    assert (await first).status_code == 409
    size, _ = await desk.files.open(row["key"])
    assert size == len(PNG)


async def test_staff_attach_their_own_files_for_a_customer(api, submit, uploaded, customer, agent, problem):
    ticket = await submit(agent, problem, requesterId=customer.gid, uploadIds=[await uploaded(agent)])

    (node,) = (await api(customer, FILES, id=ticket["id"]))["ticket"]["attachments"]["nodes"]
    assert node["uploadedBy"] == {"name": "Ada Agent"}


# --- What nobody named ------------------------------------------------------------------------------------------------


async def test_what_nobody_named_within_a_day_is_swept_away(
    api, http, desk, submit, uploaded, create, database, work, customer, problem
):
    await submit(customer, problem, uploadIds=[await uploaded(customer, PNG + b"named")])
    orphan, unsent = await uploaded(customer, PNG + b"orphan"), (await create(customer))["id"]
    fresh = await uploaded(customer, PNG + b"fresh")
    await work.run()
    await database.rows(
        "UPDATE uploads SET expires_at = :now WHERE 'upl_' || id IN (:a, :b)", now=unit.now(), a=orphan, b=unsent
    )

    assert await attachments.sweep(desk) == 2

    assert await database.rows("SELECT 'upl_' || id AS id FROM uploads") == [{"id": fresh}]
    assert await work.asked() == [EraseFiles([ANY, ANY])]
    await work.run()
    assert kept(desk) == sorted([PNG + b"named", PNG + b"fresh"])
    assert await attachments.sweep(desk) == 0
    assert await work.asked() == []


async def test_however_many_nobody_named_all_are_swept_away(desk, create, database, work, customer, monkeypatch):
    monkeypatch.setattr(attachments, "SWEEP_BATCH", 2)
    for _ in range(5):
        await create(customer)
    await database.rows("UPDATE uploads SET expires_at = :now", now=unit.now())

    assert await attachments.sweep(desk) == 5

    assert [len(job.keys) for job in await work.asked()] == [2, 2, 1]


async def test_an_upload_that_has_ended_is_not_found_before_it_is_swept(submit, uploaded, database, customer, problem):
    upload_id = await uploaded(customer)
    await database.rows("UPDATE uploads SET expires_at = :now", now=unit.now())
    before = await database.counts()

    answer = await submit(customer, problem, uploadIds=[upload_id])

    assert (answer["__typename"], answer["field"]) == ("NotFound", "uploadIds.0")
    assert await database.counts() == before
