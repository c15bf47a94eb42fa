"""What may be set from outside."""

import json
import re
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from pydantic import ValidationError

import infra.settings
from infra.settings import InvalidSettingsError, Settings, read
from web import serving

ROOT = Path(__file__).resolve().parents[2]
UNREAD = "can't be read: ports are numbers, and in a password / ? # @ % are written as %2F %3F %23 %40 %25"
REQUIRED = {"DATABASE_URL": "postgresql://db/deskwire", "REDIS_URL": "redis://cache", "SECRET_KEY": "k" * 32}


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    """The environment, without anything of ours in it, to be set by calling."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("DESKWIRE_EMBEDDED", raising=False)
    monkeypatch.delenv("SECRETS_DIR", raising=False)
    monkeypatch.delenv("AWS_SECRET_ID", raising=False)

    def given(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return given


def test_the_embedded_desk_needs_nothing(outside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outside(DESKWIRE_EMBEDDED="1")

    settings = read()

    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.data_dir == tmp_path / ".data"
    assert settings.storage_url == (tmp_path / ".data" / "files").as_uri()
    assert settings.introspection
    assert settings.log_format == "console"


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("192.0.2.1", "192.0.2.1")],
)
def test_links_lead_to_where_it_listens(outside, host, address):
    outside(DESKWIRE_EMBEDDED="1", HOST=host)

    assert read().public_url == f"http://{address}:8000"


def test_a_real_one_says_all_that_is_missing():
    with pytest.raises(InvalidSettingsError) as refused:
        read()

    where = f"where no `desk up` runs in DATA_DIR, {Path.cwd() / '.data'}"
    assert str(refused.value).splitlines() == [
        f"DATABASE_URL: is required {where}",
        f"REDIS_URL: is required {where}",
        f"SECRET_KEY: is required {where}",
    ]


def test_a_real_one_is_closed_by_default(outside):
    outside(
        **REQUIRED,
        PORT="9000",
        PUBLIC_URL="https://desk.example.com/",
        ALLOWED_ORIGINS="https://a.example/, https://b.example",
    )

    settings = read()

    assert not settings.introspection
    assert settings.environment == "production"
    assert settings.public_url == "https://desk.example.com"
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.log_format == "json"


def test_origins_are_known_as_browsers_say_them(outside):
    asked = (
        "https://Front.Example:443/,http://localhost:5173, http://[::1]:80,capacitor://localhost,https://a.example:80"
    )
    outside(**REQUIRED, ALLOWED_ORIGINS=asked)
    known = "https://front.example http://localhost:5173 http://[::1] capacitor://localhost https://a.example:80"
    assert read().allowed_origins == tuple(known.split())


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PORT": "http"}, "PORT: Input should be a valid integer, unable to parse string as an integer"),
        ({"PORT": "0"}, "PORT: Input should be greater than or equal to 1"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: must have at least 32 characters; `openssl rand -hex 32` makes one"),
        ({"DATABASE_URL": "mysql://secret@db"}, "DATABASE_URL: must begin with postgresql:// or postgres://"),
        (
            {"REPLICA_URLS": "postgresql://a/desk mysql://secret@b"},
            "REPLICA_URLS: must begin with postgresql:// or postgres://",
        ),
        ({"SMTP_URL": "smtp://mail"}, "MAIL_FROM: is required with SMTP_URL"),
        *(
            (
                {"TICKET_URL": url},
                "TICKET_URL: has {number} or {id} in it, as https://desk.example.com/tickets/{number}",
            )
            for url in ("https://desk.example.com/", "https://desk.example.com/{name}", "https://a b/{id}")
        ),
        ({"TICKET_URL": "javascript:{id}"}, "TICKET_URL: must begin with http:// or https://"),
        *(
            ({"SIGN_IN_URL": url}, "SIGN_IN_URL: has {token} in it, as https://app.example.com/sign-in#{token}")
            for url in ("https://app.example.com/sign-in", "https://app.example.com/{id}", "https://a b/{token}")
        ),
        ({"SIGN_IN_URL": "javascript:{token}"}, "SIGN_IN_URL: must begin with http:// or https://"),
        ({"OPERATOR_EMAIL": "a@b, c@d"}, "OPERATOR_EMAIL: is one address, such as operator@example.com"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
            "OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://",
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: Input should be 'http/protobuf'"),
        ({"OTEL_TRACES_SAMPLER_ARG": "10"}, "OTEL_TRACES_SAMPLER_ARG: Input should be less than or equal to 1"),
        *(
            (
                {"ALLOWED_ORIGINS": f"https://good.example,{origin}"},
                "ALLOWED_ORIGINS: has origins, such as https://app.example.com, with commas between them, or *",
            )
            for origin in (
                "front.example",
                "null",
                "https://a.example/app",
                "https://a.example https://b.example",
                "//a",
            )
        ),
        ({"SECRETS_DIR": "/no/such/folder"}, "SECRETS_DIR: there is no such folder"),
        *(
            ({name: f"{url}{rest}", "MAIL_FROM": "a@b"}, f"{name}: {UNREAD}")
            for name, url, rest in (
                ("DATABASE_URL", "postgresql://desk:kept/secret", "@db:5432/deskwire"),
                ("DATABASE_URL", "postgresql://desk:12/34", "@db/deskwire"),
                ("DATABASE_URL", "postgresql://desk:kept#secret", "@db/deskwire"),
                ("DATABASE_URL", "postgresql://db:99999", "/deskwire"),
                ("REPLICA_URLS", "postgresql://a/desk postgresql://desk:kept?secret", "@db/deskwire"),
                ("REDIS_URL", "redis://:kept/secret", "@cache:6379/0"),
                ("REDIS_URL", "redis+sentinel://one,two:http", "/name"),
                ("SMTP_URL", "smtp://desk:kept/secret", "@mail:25"),
                ("STORAGE_URL", "s3://[bucket", "/prefix"),
            )
        ),
        ({"STORAGE_URL": "s3://"}, "STORAGE_URL: names nothing behind ://"),
        ({"PUBLIC_URL": "https://"}, "PUBLIC_URL: names nothing behind ://"),
        ({"SMTP_URL": "smtp://", "MAIL_FROM": "a@b"}, "SMTP_URL: names nothing behind ://"),
        ({"PUBLIC_URL": "https://a.example/?desk=1"}, "PUBLIC_URL: has no ? and no #: paths are put behind it"),
        (
            {"STORAGE_URL": "file://data/files"},
            "STORAGE_URL: names a machine: a folder's address has three slashes, as file:///srv/deskwire/files",
        ),
        ({"REDIS_URL": "redis://h/name"}, "REDIS_URL: has the number of a database behind the port, or nothing"),
        *(({"DESK_NAME": value}, "DESK_NAME: is one line of text") for value in ("Acme\nSupport", " ")),
        *(
            ({name: str(10**11)}, f"{name}: Input should be less than or equal to {most}")
            for name, most in (
                ("MAX_ATTACHMENT_BYTES", 2**31 - 1),
                ("ACCESS_TOKEN_SECONDS", 315_360_000),
                ("REFRESH_TOKEN_SECONDS", 315_360_000),
                ("CONFIRMATION_SECONDS", 315_360_000),
            )
        ),
        *(
            ({"MAIL_FROM": value}, "MAIL_FROM: is one address, with a name or without: Support <support@example.com>")
            for value in ("support", "Support <support>", "a@b, c@d", '"Acme\nSupport" <a@b>')
        ),
        *(
            (
                {"REPLY_DOMAIN": value},
                "REPLY_DOMAIN: is a domain in ASCII, such as reply.example.com or xn--bcher-kva.example",
            )
            for value in ("reply@example.com", "https://example.com", "no domain", "bücher.example")
        ),
        *(
            (
                {"FORWARDED_ALLOW_IPS": value},
                "FORWARDED_ALLOW_IPS: has addresses and networks, such as 10.0.0.0/8, with commas between them",
            )
            for value in ("gateway", "10.0.0.1/8", "10.0.0.0/8 10.1.0.0/16")
        ),
        *(
            (
                {"ALLOWED_ORIGINS": value},
                "ALLOWED_ORIGINS: has origins, such as https://app.example.com, with commas between them, or *",
            )
            for value in ("app.example.com", "https://app.example.com/desk", "https://a.example https://b.example")
        ),
        ({"ATTACHMENT_TYPES": "pdf"}, "ATTACHMENT_TYPES: has media types, such as image/*, with commas between them"),
        *(
            ({"SENTRY_DSN": value}, "SENTRY_DSN: is what Sentry shows as a project's DSN: https://key@host/number")
            for value in ("hello", "https://key@host/project", "https://host/1")
        ),
        *(
            (
                {f"OTEL_EXPORTER_OTLP{of}_HEADERS": value},
                f"OTEL_EXPORTER_OTLP{of}_HEADERS: has name=value, with commas between them",
            )
            for of in ("", "_TRACES")
            for value in ("kept-secret", "api-key=a,kept-secret", 'api-key="kept"', "=kept")
        ),
    ],
)
def test_a_bad_value_is_told_in_one_line_without_the_value(outside, variables, line):
    outside(**REQUIRED | variables)

    with pytest.raises(InvalidSettingsError) as refused:
        read()

    assert str(refused.value) == line


def test_secrets_may_come_from_files(outside, tmp_path):
    for name, value in REQUIRED.items():
        (tmp_path / name.lower()).write_text(f"{value}\n")
    outside(SECRETS_DIR=str(tmp_path))

    settings = read()

    assert (settings.database_url, settings.secret_key) == (REQUIRED["DATABASE_URL"], REQUIRED["SECRET_KEY"])


def test_the_environment_goes_before_files(outside, tmp_path):
    (tmp_path / "secret_key").write_text("f" * 40)
    outside(**REQUIRED, SECRETS_DIR=str(tmp_path))

    assert read().secret_key == REQUIRED["SECRET_KEY"]


def test_a_file_that_is_no_text_is_told_in_one_line(outside, tmp_path):
    (tmp_path / "desk_name").write_bytes(b"\xff\xfe")
    outside(**REQUIRED, SECRETS_DIR=str(tmp_path))

    with pytest.raises(InvalidSettingsError, match=r"^DESK_NAME: can't be read: UnicodeDecodeError$"):
        read()


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "postgresql://desk:a%2Fb%40c@one:5432,two:5433/desk?target_session_attrs=read-write"},
        {"DATABASE_URL": "postgresql://desk@[::1]:5432/desk"},
        {"DATABASE_URL": "postgresql:///desk?host=/run/postgresql"},
        {"REDIS_URL": "redis+sentinel://user:pass@one:26380,two/name/0?sentinel_username=a&sentinel_password=b@c"},
        {"REDIS_URL": "unix:///run/valkey.sock"},
        {"DESK_NAME": "Müller\u00a0&\u00a0Söhne \U0001f469\u200d\U0001f527", "MAIL_FROM": "Müller\u00a0AG <a@b>"},
        {"REDIS_URL": "rediss://cache:6379/"},
        {"REDIS_URL": "redis://cache:6379/1/"},
        {"STORAGE_URL": "file://localhost/srv/files", "PUBLIC_URL": "https://a.example/desk/"},
        {"SMTP_URL": "smtps://me%40example.com:p@mail:465 ses://eu-central-1", "MAIL_FROM": '"A, B" <a@b.example>'},
        {"FORWARDED_ALLOW_IPS": "10.0.0.0/8, 127.0.0.1, ::1, fd00::/8", "ALLOWED_ORIGINS": "http://localhost:5173/, *"},
        {"FORWARDED_ALLOW_IPS": "*", "STORAGE_URL": "s3://files/of@us", "TICKET_URL": "https://a.example/{number}"},
        {"SIGN_IN_URL": "https://app.example.com/sign-in#{token}"},
        {"SENTRY_DSN": "https://key@sentry.example.net/1", "REPLY_DOMAIN": "antworten.xn--ber-uns-n2a.example"},
    ],
)
def test_addresses_of_all_kinds_are_taken(outside, variables):
    outside(**REQUIRED | variables)

    assert read()


def test_a_folder_for_files_may_have_spaces_in_its_name(outside):
    outside(**REQUIRED, STORAGE_URL="file:///files with spaces")

    assert read().storage_url == "file:///files with spaces"


def test_proxies_are_told_to_the_server_wherever_they_are_set(outside, tmp_path, monkeypatch):
    started = []

    def start(server):
        server.started = True
        started.append(server.config.forwarded_allow_ips)

    monkeypatch.setattr(serving.uvicorn.Server, "run", start)
    outside(**REQUIRED, SECRETS_DIR=str(tmp_path))

    serving.serve(read())
    (tmp_path / "forwarded_allow_ips").write_text("10.1.0.0/16, 192.0.2.7\n")
    serving.serve(read())

    assert started == [["127.0.0.1", "::1"], ["10.1.0.0/16", "192.0.2.7"]]


INTERNAL = {"embedded": "`desk up` sets it for its own processes, and nobody else should"}


def test_every_setting_is_told_to_operators():
    told = "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    words = set(re.findall(r"\b[A-Z][A-Z_]+\b", told))

    assert {name for name in Settings.model_fields if name.upper() not in words} == set(INTERNAL)


def test_empty_means_unset(outside):
    outside(**REQUIRED, SMTP_URL="", STORAGE_URL="", DATA_DIR="")

    assert read().smtp_url is None
    assert read().storage_url.startswith("file:///")


def test_an_empty_file_means_unset_as_well(outside, tmp_path):
    for name in ("OIDC_ISSUER", "REPLY_DOMAIN", "OPERATOR_EMAIL", "TICKET_URL", "PORT"):
        (tmp_path / name.lower()).write_text("\n")
    outside(**REQUIRED, SECRETS_DIR=str(tmp_path))

    settings = read()

    assert (settings.oidc_issuer, settings.reply_domain, settings.operator_email, settings.ticket_url) == (None,) * 4
    assert settings.port == 8000


def test_no_secret_is_printed(outside):
    outside(
        **REQUIRED | {"DATABASE_URL": "postgresql://me:hush@db/deskwire"},
        REPLICA_URLS="postgresql://me:hush@a/deskwire postgresql://me:hush@b/deskwire",
        SENTRY_DSN="https://hush@sentry.example/1",
        OTEL_EXPORTER_OTLP_ENDPOINT="https://hush@traces.example",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=hush",
    )
    assert len(read().replica_urls) == 2

    printed = repr(read())

    assert "hush" not in printed
    assert REQUIRED["SECRET_KEY"] not in printed


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"}, "http://otel:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318/otlp/"}, "http://otel:4318/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otel:4318/traces"}, "http://otel:4318/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318", "OTEL_SDK_DISABLED": "true"}, None),
    ],
)
def test_traces_go_where_opentelemetrys_own_variables_say(outside, variables, endpoint):
    outside(**REQUIRED, **variables, OTEL_EXPORTER_OTLP_HEADERS="api-key=key")

    settings = read()

    assert settings.traces_endpoint == endpoint
    assert settings.otel_exporter_otlp_traces_headers == "api-key=key"
    assert settings.otel_traces_sampler == "parentbased_always_on"


def test_settings_do_not_change(outside):
    outside(**REQUIRED)
    settings = read()

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # which is the point


def test_another_identity_provider_is_named_in_full_and_reached_safely(outside):
    outside(**REQUIRED, OIDC_ISSUER="http://id.example.com")
    with pytest.raises(InvalidSettingsError) as refused:
        read()
    assert str(refused.value).splitlines() == [
        "OIDC_AUDIENCE: is required with OIDC_ISSUER",
        "OIDC_ISSUER: must begin with https://, or whoever is between could hand out keys",
    ]

    outside(OIDC_ISSUER="https://id.example.com/", OIDC_AUDIENCE="desk", OIDC_UNKNOWN="refuse")
    settings = read()

    assert settings.oidc_issuer == "https://id.example.com/"  # to the letter: some end in a slash
    assert (settings.oidc_audience, settings.oidc_unknown) == ("desk", "refuse")


@pytest.fixture
def secrets_manager(monkeypatch):
    """An AWS Secrets Manager with one secret, in place of the package that asks a real one."""
    kept = {}

    class Client:
        def get_secret_value(self, **request):
            return {"SecretString": json.dumps(kept[request["SecretId"]])}

    def client(service, **_):
        assert service == "secretsmanager"
        return Client()

    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=client, setup_default_session=lambda **_: None))
    return kept


def test_secrets_may_come_from_aws_below_all_else(outside, secrets_manager, tmp_path):
    secrets_manager["desk/production"] = REQUIRED | {"PORT": "9000", "DESK_NAME": "Of AWS", "MAIL_FROM": "a@aws"}
    (tmp_path / "mail_from").write_text("a@file")
    outside(AWS_SECRET_ID="desk/production", DESK_NAME="Of here", SECRETS_DIR=str(tmp_path))

    settings = read()

    assert settings.database_url == REQUIRED["DATABASE_URL"]
    assert settings.port == 9000
    assert (settings.desk_name, settings.mail_from) == ("Of here", "a@file")


def test_a_secret_at_aws_that_cannot_be_read_is_told_in_one_line(outside, secrets_manager, monkeypatch):
    outside(**REQUIRED, AWS_SECRET_ID="none")
    with pytest.raises(InvalidSettingsError) as refused:
        read()
    assert str(refused.value) == "AWS_SECRET_ID: can't be read: KeyError"

    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InvalidSettingsError) as refused:
        read()
    assert str(refused.value) == "AWS_SECRET_ID: needs the package boto3, which is not installed"


def test_a_secrets_manager_that_says_nothing_is_not_waited_for(outside, monkeypatch):
    monkeypatch.setattr(infra.settings, "AWS_SECONDS", 0.2)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outside(
            AWS_SECRET_ID="desk",
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
            AWS_REGION="eu-central-1",
            AWS_DEFAULT_REGION="eu-central-1",
            AWS_ACCESS_KEY_ID="id",
            AWS_SECRET_ACCESS_KEY="key",
        )
        began = time.monotonic()
        with pytest.raises(InvalidSettingsError) as refused:
            read()

    assert str(refused.value) == "AWS_SECRET_ID: can't be read: ReadTimeoutError"
    assert time.monotonic() - began < 10
