"""What `desk check` finds weak, and what it lets pass."""

import secrets
import time
from types import SimpleNamespace

import pytest

from domain import demo, opening
from infra import checks, weaknesses
from infra.settings import read
from models import Role

GOOD = {
    "SECRET_KEY": secrets.token_hex(32),
    "DATABASE_URL": f"postgresql://desk:{secrets.token_hex(12)}@postgres/desk",
    "REDIS_URL": f"redis://:{secrets.token_hex(12)}@valkey:6379/0",
    "SMTP_URL": f"smtp+starttls://desk:{secrets.token_hex(12)}@mail.example.net:587",
    "MAIL_FROM": "support@example.net",
    "PUBLIC_URL": "https://desk.example.net",
    "OPERATOR_EMAIL": "operator@example.net",
}


@pytest.fixture
def weak(monkeypatch, tmp_path):
    """The names of settings that are weak in a real desk with these variables, and all that is said of them."""

    def found(**variables):
        for name in ("DESKWIRE_EMBEDDED", "DATA_DIR", "LOG_LEVEL", "STORAGE_URL", "FORWARDED_ALLOW_IPS", "HOST"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (GOOD | {"DATA_DIR": str(tmp_path)} | variables).items():
            monkeypatch.setenv(name, value)
        lines = weaknesses.of(read())
        assert not any(value in said for _, said in lines for value in (GOOD | variables).values() if len(value) > 30)
        return [name for name, _ in lines]

    return found


def test_a_good_one_has_no_weakness(weak):
    assert weak() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "a" * 40),
        ("SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("SECRET_KEY", "0123456789abcdef" * 3),
        ("SECRET_KEY", "please put something long in here ok"),
        ("SECRET_KEY", "my-deskwire-key-of-sufficient-length-4711"),
        ("TRUSTED_SECRET_KEYS", f"{GOOD['SECRET_KEY']} {'a' * 40}"),
        ("DATABASE_URL", "postgresql://postgres:postgres@db/desk"),
        ("DATABASE_URL", "postgresql://desk:changeme-please@db/desk"),
        ("DATABASE_URL", "postgresql://desk:k3X9pQ@db/desk"),
        ("DATABASE_URL", "postgresql://desk:0f9c2b7e61d84a35@db.example.net/desk"),
        ("DATABASE_URL", "postgresql://desk:0f9c2b7e61d84a35@10.1.2.3,db.example.net,db2.example.net/desk"),
        ("REDIS_URL", "redis://valkey:6379/0"),
        ("REDIS_URL", "redis://:0f9c2b7e61d84a35@redis.example.net/0"),
        ("REDIS_URL", "redis+sentinel://:0f9c2b7e61d84a35@one.example.net,two.example.net:26380/desk"),
        ("SMTP_URL", "smtp://mail.example.net:25"),
        ("SMTP_URL", ""),
        ("MAIL_FROM", "Support <support@example.com>"),
        ("REPLICA_URLS", f"{GOOD['DATABASE_URL']} postgresql://desk:0f9c2b7e61d84a35@db.example.net/desk"),
        ("REPLICA_URLS", "postgresql://desk:changeme-please@db/desk"),
        ("PUBLIC_URL", "http://desk.example.net"),
        ("PUBLIC_URL", "http://127.0.0.1:8000"),
        ("SIGN_IN_URL", "http://app.example.net/sign-in#{token}"),
        ("ALLOWED_ORIGINS", "https://good.example.net, http://bad.example.net"),
        ("ALLOWED_ORIGINS", "*"),
        ("FORWARDED_ALLOW_IPS", "*"),
        ("INTROSPECTION", "true"),
        ("LOG_FORMAT", "console"),
        ("STORAGE_URL", "memory:///"),
        ("OPERATOR_EMAIL", ""),
        ("OPERATOR_EMAIL", "operator@example.com"),
        ("ACCESS_TOKEN_SECONDS", "86400"),
        ("LOG_LEVEL", "DEBUG"),
        ("SENTRY_DSN", "http://key@sentry.example.net/1"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8, 0.0.0.0/0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://traces.example.net"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces.example.net/v1/traces"),
    ],
)
def test_what_is_weak_is_named(weak, name, value):
    assert weak(**{name: value}) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql:///desk"),
        ("DATABASE_URL", "postgresql://desk:0f9c2b7e61d84a35@10.1.2.3/desk"),
        ("DATABASE_URL", "postgresql://desk:0f9c2b7e61d84a35@db.example.net/desk?sslmode=verify-full"),
        ("REDIS_URL", "rediss://:0f9c2b7e61d84a35@redis.example.net/0"),
        ("REDIS_URL", "rediss+sentinel://:0f9c2b7e61d84a35@one.example.net,two.example.net/desk"),
        ("DATABASE_URL", "postgresql://desk:0f9c2b7e61d84a35@10.1.2.3,[fd00::1]:5433/desk"),
        ("REDIS_URL", "redis+sentinel://127.0.0.1:6379,[::1]:6380/desk"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("SMTP_URL", "smtp://127.0.0.1:25"),
        ("SMTP_URL", "ses://eu-central-1"),
        ("SIGN_IN_URL", "https://app.example.net/sign-in#{token}"),
        ("SIGN_IN_URL", "http://localhost:5173/sign-in#{token}"),
        ("ALLOWED_ORIGINS", "http://localhost:5173"),
        ("SENTRY_DSN", "https://key@sentry.example.net/1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://traces.example.net"),
    ],
)
def test_what_is_fine_passes(weak, name, value):
    assert weak(**{name: value}) == []


def test_whoever_comes_through_a_proxy_is_told_apart(weak):
    assert weak(HOST="0.0.0.0") == ["FORWARDED_ALLOW_IPS"]
    assert weak(HOST="0.0.0.0", FORWARDED_ALLOW_IPS="10.1.0.0/16") == []
    assert weak(HOST="127.0.0.1") == []


def test_proxies_are_known_from_wherever_settings_come(weak, monkeypatch, tmp_path):
    (tmp_path / "FORWARDED_ALLOW_IPS").write_text("10.1.0.0/16")
    (tmp_path / "FORWARDED_ALLOW_IPS").chmod(0o640)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    assert weak(HOST="0.0.0.0") == []

    (tmp_path / "FORWARDED_ALLOW_IPS").write_text("10.1.0.0/16, *")
    assert weak(HOST="0.0.0.0") == ["FORWARDED_ALLOW_IPS"]


@pytest.mark.parametrize(("scheme", "name"), [("s3", "AWS_ENDPOINT_URL"), ("gs", "GOOGLE_BASE_URL")])
def test_a_bucket_that_is_reached_in_the_clear_is_named(weak, scheme, name):
    bucket = {"STORAGE_URL": f"{scheme}://attachments"}
    assert weak(**bucket, **{name: "http://objects.example.net"}) == [name]
    assert weak(**bucket, **{name: "http://minio:9000"}) == []


def test_what_an_operator_should_know_is_noted(weak, settings):
    weak()
    assert [name for name, _ in weaknesses.notes(read())] == ["SENTRY_DSN", "REPLY_DOMAIN", "STORAGE_URL"]
    weak(ENVIRONMENT="staging", SENTRY_DSN="https://key@sentry.example.net/1", REPLY_DOMAIN="in.example.net")
    assert [name for name, _ in weaknesses.notes(read())] == ["ENVIRONMENT", "STORAGE_URL"]
    weak(ENVIRONMENT="", STORAGE_URL="s3://attachments", SENTRY_DSN="https://key@sentry.example.net/1", SMTP_URL="")
    assert [name for name, _ in weaknesses.notes(read())] == []
    assert weaknesses.notes(settings) == []


@pytest.mark.parametrize("name", ["database_url", "DATABASE_URL"])
def test_secret_files_are_for_few(weak, tmp_path, name):
    folder = tmp_path / "secrets"
    folder.mkdir()
    for each, mode in (("secret_key", 0o640), (name, 0o644), ("..data", 0o644)):
        (folder / each).write_text(GOOD.get(each.upper(), ""))
        (folder / each).chmod(mode)

    assert weak(SECRETS_DIR=str(folder)) == ["SECRETS_DIR"]


def test_a_secret_files_name_that_nobody_reads_is_told(weak, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("REDIS_URI", "SMTP_URL", "..data"):
        (folder / name).write_text(GOOD.get(name, ""))
        (folder / name).chmod(0o640)

    assert weak(SECRETS_DIR=str(folder)) == []
    told = [said for name, said in weaknesses.notes(read()) if name == "SECRETS_DIR"]
    assert told == ["REDIS_URI is the name of no setting: nothing is read there"]


def test_the_embedded_one_is_for_trying_out(settings):
    assert weaknesses.of(settings) == []


async def test_the_demos_people_and_no_admin_are_told_of(settings, house, database):
    real = settings.model_copy(update={"embedded": False})
    assert [said for _, said in await opening.missing(real)] == [
        "nobody is an admin: `desk invite you@example.com --role ADMIN` makes the first one",
        "there are none, so nobody can submit a ticket: an admin makes a department first",
    ]

    await house.person("Alex Admin", Role.ADMIN, email="admin@example.com", password=demo.PASSWORD)
    await house.person("Ada Agent", Role.AGENT, email="agent@example.com", password="another one, long enough")
    await house.category("Problem", await house.department("Support"))

    assert [said for _, said in await opening.missing(real)] == [
        "admin@example.com comes in by the demo's password, which everybody knows"
    ]
    assert await opening.missing(settings) == []


@pytest.mark.parametrize(
    ("facts", "good", "said"),
    [
        ("17.2' AS version, 17 AS major, 'UTF8", False, "18 is the oldest"),
        ("18.1' AS version, 18 AS major, 'SQL_ASCII", False, "has to be UTF8"),
    ],
)
async def test_a_database_that_cannot_be_used_is_told(migrated, monkeypatch, facts, good, said):
    rest = "'' AS unsafe, 100 AS connections, extract(epoch FROM now())::float8 AS clock, false AS copies"
    monkeypatch.setattr(checks, "FACTS", f"SELECT '{facts}' AS encoding, {rest}")

    (found,) = [each for each in await checks.check(migrated) if each.name == "database"]

    assert (found.good, said in found.said) == (good, True)


async def test_a_database_that_may_lose_what_was_answered_is_weak(migrated):
    (found,) = [each for each in await checks.check(migrated) if each.name == "database"]  # a test's own is such a one
    assert (found.good, found.weak) == (True, True)
    assert "fsync, full_page_writes, synchronous_commit, so what was answered may be lost" in found.said


async def test_too_few_connections_and_another_clock_are_weak(migrated, monkeypatch):
    many = migrated.model_copy(update={"worker_count": 99})

    (found,) = [each for each in await checks.check(many) if each.name == "database"]
    assert (found.good, found.weak) == (True, True)
    assert "may want 2000" in found.said

    monkeypatch.setattr("infra.checks.time", SimpleNamespace(time=lambda: 0.0, monotonic=time.monotonic))
    (found,) = [each for each in await checks.check(migrated) if each.name == "database"]
    assert (found.good, found.weak) == (True, True)
    assert "clock" in found.said


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.5", True),
        ("desk.example.net", True),
    ],
)
def test_whether_others_reach_an_address(host, opened):
    assert weaknesses.is_open(host) == opened
