"""What may be set from outside: environment variables, files of the same name in `SECRETS_DIR`, or a secret at AWS."""

import importlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    AWSSecretsManagerSettingsSource,
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from infra.formats import FORMATS, as_browsers_say, wrong_addresses
from infra.urls import split

AWS_SECONDS = 10  # for each of two attempts to read a secret
DAY = 24 * 60 * 60
ATTACHMENT_TYPES = (
    "image/*",
    "text/*",
    "audio/*",
    "video/*",
    "application/pdf",
    "application/zip",
    "application/json",
    "application/rtf",
    "application/msword",
    "application/vnd.ms-*",
    "application/vnd.openxmlformats-officedocument.*",
    "application/vnd.oasis.opendocument.*",
)

Words = Annotated[tuple[str, ...], NoDecode]  # written with commas between them
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]  # what an Int of GraphQL and an integer of PostgreSQL hold
Seconds = Annotated[int, Field(ge=1, le=10 * 365 * DAY)]
Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


class InvalidSettingsError(Exception):
    """Something is missing or can't be used; the text has one line per variable, without its value."""

    @property
    def told(self) -> str:
        """What the log may hold of it."""
        return str(self)


def _from(derive: Callable[[dict[str, Any]], Any], *, secret: bool = False) -> Any:
    """A field whose default follows from the fields above it."""
    return Field(default_factory=derive, repr=not secret)


def reachable(host: str) -> str:
    """Where this machine itself reaches what listens at a host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (what was asked for)


def address_at(host: str, port: int) -> str:
    """The same as the beginning of a URL."""
    host = reachable(host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Settings(BaseSettings):
    """One process's settings. The environment's name of a field is the field's, in capitals; empty means unset."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True, hide_input_in_errors=True
    )

    # True under `desk up`: PostgreSQL, Valkey and the mail catcher are ours, and the demo people exist.
    embedded: bool = Field(False, validation_alias="deskwire_embedded")
    environment: str = _from(lambda known: "embedded" if known.get("embedded") else "production")
    large: bool = False  # the demo has 1,000,000 tickets

    host: str = "127.0.0.1"
    port: Port = 8000
    forwarded_allow_ips: Words = (
        "127.0.0.1",
        "::1",
    )  # proxies, and networks of them, that say where a request came from
    public_url: str = _from(lambda known: address_at(known["host"], known["port"]))  # without a slash at its end
    data_dir: Path = Path(".data")  # made absolute
    secret_key: str = Field("", repr=False)  # signs tokens and links
    # Of which what they sign is taken as well, with spaces between them.
    trusted_secret_keys: Annotated[tuple[str, ...], NoDecode] = Field((), repr=False)

    database_url: str = Field("", repr=False)
    # Of servers that copy that one, which reads go to; with spaces between them.
    replica_urls: Annotated[tuple[str, ...], NoDecode] = Field((), repr=False)
    redis_url: str = Field("", repr=False)
    smtp_url: str | None = Field(None, repr=False)  # or several, with spaces between them; None: mail waits
    storage_url: str = _from(lambda known: (known["data_dir"] / "files").as_uri(), secret=True)
    sentry_dsn: str | None = Field(None, repr=False)
    operator_email: str | None = None  # who is told of faults
    log_format: Literal["console", "json"] = _from(lambda known: "console" if known.get("embedded") else "json")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # Traces, as OpenTelemetry names it all. What is not here (timeouts, batches, certificates, limits) its SDK reads.
    otel_sdk_disabled: bool = False
    otel_traces_exporter: Literal["otlp", "none"] = "otlp"
    otel_exporter_otlp_endpoint: str | None = Field(None, repr=False)  # to which /v1/traces is added
    otel_exporter_otlp_traces_endpoint: str | None = Field(None, repr=False)  # in its place, as it is
    otel_exporter_otlp_headers: str | None = Field(None, repr=False)  # name=value, with commas between them
    otel_exporter_otlp_traces_headers: str | None = _from(
        lambda known: known["otel_exporter_otlp_headers"], secret=True
    )
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    otel_exporter_otlp_traces_protocol: Literal["http/protobuf"] = "http/protobuf"
    otel_service_name: str | None = None  # None: deskwire-api, deskwire-worker
    otel_traces_sampler: Sampler = "parentbased_always_on"
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 1.0  # the share that is traced

    worker_count: Count = 1  # processes that serve the API
    # For which a process serves on, not ready, once it is told to end: until balancers have noticed.
    shutdown_delay_seconds: Annotated[int, Field(ge=0, le=60)] = 0
    read_pool_size: Count = 10  # connections per process
    write_pool_size: Count = 10
    smtp_pool_size: Count = 20  # connections to the mail server per process, of which bulk mail takes three quarters
    job_count: Count = 20  # jobs at once, per worker process

    # What one process serves at once: to one person, or to whoever comes from one address and is not signed in.
    max_connections_per_person: Count = 100  # sockets and event streams
    max_operations_per_person: Count = 1000  # over all their sockets
    max_operations_per_socket: Count = 100
    max_operations_per_second: Count = 200  # of one person, over whatever connections
    max_messages_per_second: Count = 200  # of one socket

    desk_name: str = "Deskwire"
    # Where the front end shows a ticket, by {number} or {id}. None: all mail but its requester's leads to PUBLIC_URL.
    ticket_url: str | None = None
    # Where the front end takes the {token} of a link that signs in. None: a page of ours takes it.
    sign_in_url: str | None = None
    mail_from: str = "support@example.com"
    # Where answers to mails about tickets go: reply+…@ this domain. None: to MAIL_FROM, and nothing here hears of them.
    reply_domain: str | None = _from(
        lambda known: known["mail_from"].rpartition("@")[2].rstrip("> ") if known.get("embedded") else None
    )
    mail_door_port: Port | None = None  # where `desk receive` takes mail that is for REPLY_DOMAIN
    mail_door_host: str = "127.0.0.1"
    mail_door_protocol: Literal["smtp", "lmtp"] = "smtp"
    inbound_unknown: Literal["wait", "ticket", "ignore"] = "wait"  # what becomes of mail that fits no ticket

    # An OpenID Connect provider whose tokens are accepted beside our own.
    oidc_issuer: str | None = None  # as its tokens name it, to the letter
    oidc_audience: str | None = None  # for whom its tokens are made: the client's id, or the API's name there
    oidc_unknown: Literal["customer", "refuse"] = "customer"  # what becomes of people whose address nobody has here

    allowed_origins: Words = ()  # of pages besides PUBLIC_URL that may call the API from a browser
    introspection: bool = _from(lambda known: known.get("environment") != "production")  # and GraphiQL
    access_token_seconds: Seconds = 300
    refresh_token_seconds: Seconds = 30 * DAY
    confirmation_seconds: Seconds = 7 * DAY  # an emailed question whether a ticket is solved

    max_attachment_bytes: Count = 25 * 1024 * 1024
    attachment_types: Words = ATTACHMENT_TYPES

    @property
    def smtp_urls(self) -> tuple[str, ...]:
        """The mail servers, in the order in which they are asked."""
        return tuple((self.smtp_url or "").split())

    @property
    def traces_endpoint(self) -> str | None:
        """Where traces go to; None when nothing is traced."""
        if self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return None
        base = self.otel_exporter_otlp_endpoint
        return self.otel_exporter_otlp_traces_endpoint or (f"{base.rstrip('/')}/v1/traces" if base else None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # there is no such file
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Pydantic's: where values come from, the first that has one winning."""
        here = init_settings, env_settings, file_secret_settings
        secret = os.environ.get("AWS_SECRET_ID")
        if not secret:
            return here
        _bound_aws()
        return *here, AWSSecretsManagerSettingsSource(settings_cls, secret, case_sensitive=False)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Pydantic passes over empty variables alone, not over empty files."""
        return {name: value for name, value in values.items() if value != ""}

    @field_validator("allowed_origins", "attachment_types", "forwarded_allow_ips", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("replica_urls", "trusted_secret_keys", mode="before")
    @classmethod
    def _split_by_spaces(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("allowed_origins")
    @classmethod
    def _as_browsers_say(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(as_browsers_say, value))

    @field_validator(*FORMATS)
    @classmethod
    def _formed(cls, value: str | tuple[str, ...] | None, info: ValidationInfo) -> str | tuple[str, ...] | None:
        fits, said = FORMATS[str(info.field_name)]
        if not all(map(fits, value if isinstance(value, tuple) else () if value is None else (value,))):
            raise ValueError(said)
        return value

    @field_validator("secret_key", "trusted_secret_keys")
    @classmethod
    def _long_enough(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        keys = (value,) if isinstance(value, str) else value
        if any(0 < len(key) < 32 for key in keys):  # noqa: PLR2004 (the number is in the message)
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wrong = wrong_addresses(dict(self))
        if not wrong and "+sentinel:" in self.redis_url and not split(self.redis_url)[0].path.strip("/"):
            wrong.append("REDIS_URL: needs the name that the Sentinels know the primary by: …+sentinel://hosts/name")
        if self.oidc_issuer and not self.oidc_audience:
            wrong.append("OIDC_AUDIENCE: is required with OIDC_ISSUER")
        if not self.embedded:
            if self.oidc_issuer and not self.oidc_issuer.startswith("https:"):
                wrong.append("OIDC_ISSUER: must begin with https://, or whoever is between could hand out keys")
            elsewhere = f"where no `desk up` runs in DATA_DIR, {self.data_dir.absolute()}"
            wrong += [
                f"{name.upper()}: is required {elsewhere}"
                for name in ("database_url", "redis_url", "secret_key")
                if not getattr(self, name)
            ]
            if self.smtp_url and "mail_from" not in self.model_fields_set:
                wrong.append("MAIL_FROM: is required with SMTP_URL")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


def _bound_aws() -> None:
    """Have AWS's library give up on who says nothing within half a minute; by itself it would take more than five."""
    boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
    session = importlib.import_module("botocore.session").get_session()
    limits = {"connect_timeout": AWS_SECONDS, "read_timeout": AWS_SECONDS, "retries": {"total_max_attempts": 2}}
    session.set_default_client_config(config.Config(**limits))
    boto3.setup_default_session(botocore_session=session)


def read(**given: Any) -> Settings:
    """The settings as they are outside now; `given` go before them. Raises `InvalidSettingsError`."""
    folder = os.environ.get("SECRETS_DIR") or None
    if folder and not Path(folder).is_dir():
        raise InvalidSettingsError("SECRETS_DIR: there is no such folder")
    try:
        return Settings(_secrets_dir=folder, **given)
    except ImportError:
        raise InvalidSettingsError("AWS_SECRET_ID: needs the package boto3, which is not installed") from None
    except ValidationError as invalid:
        lines = []
        for error in invalid.errors(include_url=False, include_context=False, include_input=False):
            if error["type"] == "default_factory_not_called":
                continue  # follows from another line
            said = error["msg"].removeprefix("Value error, ")
            lines.append(f"{str(error['loc'][0]).upper()}: {said}" if error["loc"] else said)
        raise InvalidSettingsError("\n".join(lines)) from None
    except SettingsError as failed:
        name = re.search(r'"(\w+)"', str(failed))
        cause = type(failed.__cause__ or failed).__name__
        raise InvalidSettingsError(f"{name[1].upper() if name else 'SECRETS_DIR'}: can't be read: {cause}") from None
    except Exception as failed:
        if not os.environ.get("AWS_SECRET_ID"):
            raise
        code = (getattr(failed, "response", None) or {}).get("Error", {}).get("Code", type(failed).__name__)
        raise InvalidSettingsError(f"AWS_SECRET_ID: can't be read: {code}") from failed


@cache
def load() -> Settings:
    """This process's settings, read once. Raises `InvalidSettingsError`."""
    return read()
