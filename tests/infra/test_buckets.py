"""Attachments in buckets of S3 and of Google Cloud Storage, asked of servers that behave as theirs."""

import asyncio
from contextlib import contextmanager
from urllib.parse import urlsplit

import boto3
import pytest
from gcs import Bucket
from joserfc.jwk import RSAKey
from test_files import LARGE, announced, chunks

from infra import checks
from infra.files import Files, Received, StoreUnavailable, WrongSize, WrongType
from infra.settings import Settings
from tests.faults.proxy import Proxy

SECRET, BUCKET = "s" * 40, "attachments"


class S3:
    """A bucket at AWS."""

    scheme = "s3"

    def __init__(self, server, outside):
        self.server, self._outside = server, outside
        self.stand_at(server)
        self._client = boto3.client("s3")
        self._client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def stand_at(self, url):
        """Whatever asks for the bucket from now on asks there."""
        self._outside(url)

    def left(self):
        """What is in the bucket, and how much was begun and neither ended nor taken back."""
        kept = [each["Key"] for each in self._client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        return kept, len(self._client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))

    def remove(self):
        """Leave nothing behind."""
        for key in self.left()[0]:
            self._client.delete_object(Bucket=BUCKET, Key=key)
        self._client.delete_bucket(Bucket=BUCKET)


class Google:
    """A bucket at Google."""

    scheme = "gs"

    def __init__(self, monkeypatch, key):
        self._monkeypatch = monkeypatch
        self.bucket = Bucket(BUCKET, key)
        self.server = self.bucket.url
        self.stand_at(self.server)
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", self.bucket.account())

    def stand_at(self, url):
        """Whatever asks for the bucket from now on asks there."""
        self._monkeypatch.setenv("GOOGLE_BASE_URL", url)

    def left(self):
        """What is in the bucket, and how much was begun and neither ended nor taken back."""
        return list(self.bucket.files), len(self.bucket.uploads)

    def remove(self):
        """Leave nothing behind."""
        self.bucket.close()


@pytest.fixture(scope="module")
def key():
    """Of the service account at Google."""
    return RSAKey.generate_key(2048)


@pytest.fixture
def google(monkeypatch, key):
    made = Google(monkeypatch, key)
    yield made
    made.remove()


@pytest.fixture
def amazon(aws, outside):
    made = S3(aws, outside)
    yield made
    made.stand_at(aws)
    made.remove()


@pytest.fixture(params=["amazon", "google"])
def bucket(request):
    """A bucket of this test's own."""
    return request.getfixturevalue(request.param)


def settings_of(bucket, folder):
    return Settings(embedded=True, data_dir=folder, secret_key=SECRET, storage_url=f"{bucket.scheme}://{BUCKET}/desk")


@pytest.fixture
def settings(bucket, tmp_path):
    return settings_of(bucket, tmp_path)


@pytest.fixture
def files(settings):
    return Files(settings)


@pytest.mark.parametrize("body", [b"", b"Hello.", LARGE], ids=["empty", "small", "in parts"])
async def test_what_was_received_is_what_is_read(files, bucket, body):
    received = await files.receive("ab/cd", chunks(body), **announced(body))

    assert (received.content_type, received.size_bytes) == ("text/plain", len(body))
    assert isinstance(received, Received)
    assert bucket.left() == (["desk/ab/cd"], 0)
    size, stream = await files.open("ab/cd")
    assert size == len(body)
    assert b"".join([chunk async for chunk in stream]) == body

    await files.delete(["never/there", "ab/cd"])
    assert bucket.left() == ([], 0)
    with pytest.raises(FileNotFoundError):
        await files.open("ab/cd")


@pytest.mark.parametrize(
    ("body", "size", "refusal"),
    [(LARGE, len(LARGE) + 1, WrongSize), (LARGE + b"\0\xff", len(LARGE) + 2, WrongType)],
    ids=["size", "type"],
)
async def test_what_is_refused_leaves_nothing(files, bucket, body, size, refusal):
    with pytest.raises(refusal):
        await files.receive("key", chunks(body), **announced(body, size=size))

    assert bucket.left() == ([], 0)


async def test_what_is_given_up_leaves_nothing(files, bucket):
    sent = asyncio.Event()

    async def stalls():
        async for chunk in chunks(LARGE):
            yield chunk
        sent.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(files.receive("key", stalls(), **announced(LARGE)))
    await sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert bucket.left() == ([], 0)


async def test_what_is_kept_takes_the_place_of_what_lay_there(files):
    for content in (b"First.", b"Second."):
        await files.keep("ours", content)

    size, stream = await files.open("ours")
    assert (size, b"".join([chunk async for chunk in stream])) == (7, b"Second.")


async def test_a_bucket_is_checked_before_the_start(settings, bucket):
    found = await checks.files(settings)
    assert found.good, found.said
    assert bucket.left() == ([], 0)
    nowhere = settings.model_copy(update={"storage_url": f"{bucket.scheme}://nowhere"})

    missing = await checks.files(nowhere)
    assert not missing.good
    assert "\n" not in missing.said, "it is one line of many"
    with pytest.raises(StoreUnavailable):
        await Files(nowhere).receive("key", chunks(b"Hello."), **announced(b"Hello."))


async def test_why_a_bucket_is_away_is_told_in_a_line(settings, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k" * 20)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    away = await checks.files(settings.model_copy(update={"storage_url": "s3://files/ours"}))

    assert not away.good
    assert "\n" not in away.said
    assert away.said.endswith(": Connection refused")


async def test_a_bucket_is_not_opened_by_another_s_key(google, tmp_path, monkeypatch):
    other = Bucket("another", RSAKey.generate_key(2048))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", other.account())
    other.close()
    settings = settings_of(google, tmp_path)

    assert not (await checks.files(settings)).good
    with pytest.raises(StoreUnavailable) as refused:
        await Files(settings).open("key")
    assert refused.value.told == "UnauthenticatedError"


async def test_a_machine_in_google_s_cloud_needs_no_key(google, tmp_path, monkeypatch):
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))  # where nobody has signed in
    monkeypatch.setenv("GCE_METADATA_HOST", urlsplit(google.server).netloc)

    await Files(settings_of(google, tmp_path)).receive("key", chunks(b"Hello."), **announced(b"Hello."))

    assert google.left() == (["desk/key"], 0)


@contextmanager
def before(server):
    """A proxy before the server."""
    proxy = Proxy(lambda: int(server.rpartition(":")[2]))
    proxy.start()
    yield proxy
    proxy.stop()


async def test_a_bucket_that_is_away_is_told_soon_and_used_when_it_is_back(amazon, google, tmp_path):
    """Whether nobody listens there, or nobody answers; both buckets at once, since that takes seconds."""

    async def away(bucket):
        with before(bucket.server) as proxy:
            bucket.stand_at(f"http://127.0.0.1:{proxy.port}")
            files = Files(settings_of(bucket, tmp_path))
            await files.receive("before", chunks(b"Hello."), **announced(b"Hello."))
            proxy.hole()
            async with asyncio.timeout(8):
                asking = [
                    files.receive(str(n), chunks(body), **announced(body)) for n, body in enumerate((b"Hm.", LARGE))
                ]
                found = await asyncio.gather(*asking, files.open("before"), return_exceptions=True)
            assert [type(each) for each in found] == [StoreUnavailable] * 3
            proxy.heal()
            await files.receive("after", chunks(b"Hello."), **announced(b"Hello."))
        with pytest.raises(StoreUnavailable):
            await files.receive("gone", chunks(b"Hello."), **announced(b"Hello."))

    await asyncio.gather(away(amazon), away(google))
