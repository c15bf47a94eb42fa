"""What Deskwire uses of AWS, asked of a server that behaves as theirs: files in S3, mail by SES, secrets."""

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.ses.models import ses_backends
from test_files import LARGE, announced, chunks

from infra import checks
from infra.files import Files, Received, StoreUnavailable, WrongSize, WrongType
from infra.letters import Later, Letter, Undeliverable
from infra.mail import Mailer
from infra.settings import InvalidSettingsError, Settings, read
from tests.faults.proxy import Proxy

SECRET, BUCKET = "s" * 40, "attachments"
LETTER = Letter("customer@example.com", "Zoë", "Printer on fire", "It burns.", "<p>It burns.</p>", "<one@desk.test>")


@pytest.fixture(scope="module")
def server():
    """Where AWS stands."""
    aws = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    aws.start()
    yield f"http://127.0.0.1:{aws.get_host_and_port()[1]}"
    aws.stop()


@pytest.fixture
def outside(monkeypatch):
    """Makes an address AWS's, as an operator does."""

    def stands_at(url):
        given = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)

    return stands_at


@pytest.fixture
def s3(server, outside):
    """A bucket of this test's own."""
    outside(server)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=each["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def settings(s3, tmp_path):
    return Settings(embedded=True, data_dir=tmp_path, secret_key=SECRET, storage_url=f"s3://{BUCKET}/desk")


@pytest.fixture
def files(settings):
    return Files(settings)


def left(s3):
    """What is in the bucket, and what was begun and neither ended nor taken back."""
    kept = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return kept, s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


@pytest.mark.parametrize("body", [b"", b"Hello.", LARGE], ids=["empty", "small", "in parts"])
async def test_what_was_received_is_what_is_read(files, s3, body):
    received = await files.receive("ab/cd", chunks(body), **announced(body))

    assert (received.content_type, received.size_bytes) == ("text/plain", len(body))
    assert isinstance(received, Received)
    assert left(s3) == (["desk/ab/cd"], [])
    size, stream = await files.open("ab/cd")
    assert size == len(body)
    assert b"".join([chunk async for chunk in stream]) == body

    await files.delete(["never/there", "ab/cd"])
    assert left(s3) == ([], [])
    with pytest.raises(FileNotFoundError):
        await files.open("ab/cd")


@pytest.mark.parametrize(
    ("body", "size", "refusal"),
    [(LARGE, len(LARGE) + 1, WrongSize), (LARGE + b"\0\xff", len(LARGE) + 2, WrongType)],
    ids=["size", "type"],
)
async def test_what_is_refused_leaves_nothing(files, s3, body, size, refusal):
    with pytest.raises(refusal):
        await files.receive("key", chunks(body), **announced(body, size=size))

    assert left(s3) == ([], [])


async def test_a_bucket_is_checked_before_the_start(settings, s3):
    assert (await checks.files(settings)).good
    nowhere = settings.model_copy(update={"storage_url": "s3://nowhere"})

    assert not (await checks.files(nowhere)).good
    with pytest.raises(StoreUnavailable):
        await Files(nowhere).receive("key", chunks(b"Hello."), **announced(b"Hello."))


@contextmanager
def before(server):
    """A proxy before the server."""
    proxy = Proxy(lambda: int(server.rpartition(":")[2]))
    proxy.start()
    yield proxy
    proxy.stop()


async def test_a_bucket_that_is_away_is_told_soon_and_used_when_it_is_back(server, outside, settings):
    """Whether nobody listens there, or nobody answers."""
    with before(server) as proxy:
        outside(f"http://127.0.0.1:{proxy.port}")
        files = Files(settings)
        await files.receive("before", chunks(b"Hello."), **announced(b"Hello."))
        proxy.hole()
        async with asyncio.timeout(8):
            asking = [files.receive(f"{n}", chunks(body), **announced(body)) for n, body in enumerate((b"Hm.", LARGE))]
            found = await asyncio.gather(*asking, files.open("before"), return_exceptions=True)
        assert [type(each) for each in found] == [StoreUnavailable] * 3
        proxy.heal()
        await files.receive("after", chunks(b"Hello."), **announced(b"Hello."))
    with pytest.raises(StoreUnavailable):
        await files.receive("gone", chunks(b"Hello."), **announced(b"Hello."))


async def test_a_letter_goes_by_ses(server, outside, tmp_path):
    outside(server)
    mailer = Mailer(
        Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")
    )
    ses = boto3.client("sesv2")

    with pytest.raises(Undeliverable) as refused:  # nobody has shown that they may write from there
        await mailer.send(LETTER)
    assert refused.value.told == "Amazon SES says MessageRejected"
    ses.create_email_identity(EmailIdentity="desk.test")
    await mailer.send(LETTER)

    (sent,) = ses_backends["123456789012"]["eu-central-1"].sent_messages
    assert sent.destinations[0] == LETTER.to
    assert "Subject: Printer on fire" in sent.raw_data


async def test_ses_reports_where_the_letter_says(server, outside, tmp_path, monkeypatch):
    outside(server)
    boto3.client("sesv2").create_email_identity(EmailIdentity="desk.test")
    asked = []
    session = boto3.Session()
    session.events.register("provide-client-params.sesv2.SendEmail", lambda params, **_: asked.append(dict(params)))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    settings = Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")

    await Mailer(settings).send(replace(LETTER, reports_to="bounce+one@desk.test"))
    await Mailer(settings).send(LETTER)

    told = [each.get("FeedbackForwardingEmailAddress") for each in asked]
    assert told == ["bounce+one@desk.test", None]


async def test_a_letter_waits_while_ses_is_away(outside, tmp_path):
    with before("http://127.0.0.1:9") as proxy:
        outside(f"http://127.0.0.1:{proxy.port}")
    settings = Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")
    with pytest.raises(Later):
        await Mailer(settings).send(LETTER)


def test_settings_come_from_secrets_manager(server, outside, monkeypatch):
    outside(server)
    for name in ("DESKWIRE_EMBEDDED", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SMTP_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SECRET_ID", "desk/production")
    with pytest.raises(InvalidSettingsError) as refused:
        read()
    assert str(refused.value) == "AWS_SECRET_ID: can't be read: ResourceNotFoundException"

    kept = {"DATABASE_URL": "postgresql://db/desk", "REDIS_URL": "redis://cache", "SECRET_KEY": SECRET}
    boto3.client("secretsmanager").create_secret(Name="desk/production", SecretString=json.dumps(kept))

    assert read().secret_key == SECRET
