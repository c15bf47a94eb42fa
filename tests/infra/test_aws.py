"""What Deskwire uses of AWS besides S3, asked of a server that behaves as theirs: mail by SES, secrets."""

import asyncio
import json
import time
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.ses.models import ses_backends

from infra import embedded
from infra.letters import Later, Letter, Undeliverable
from infra.mail import Mailer
from infra.settings import InvalidSettingsError, Settings, read

SECRET = "s" * 40
LETTER = Letter("customer@example.com", "Zoë", "Printer on fire", "It burns.", "<p>It burns.</p>", "<one@desk.test>")


async def test_a_letter_goes_by_ses(aws, outside, tmp_path):
    outside(aws)
    mailer = Mailer(
        Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")
    )
    ses = boto3.client("sesv2")

    with pytest.raises(Undeliverable) as refused:  # which this server says in other words than Amazon's
        await mailer.send(LETTER)
    assert refused.value.told == "Amazon SES says MessageRejected"
    ses.create_email_identity(EmailIdentity="desk.test")
    await mailer.send(LETTER)

    (sent,) = ses_backends["123456789012"]["eu-central-1"].sent_messages
    assert sent.destinations[0] == LETTER.to
    assert "Subject: Printer on fire" in sent.raw_data


async def test_ses_reports_where_the_letter_says(aws, outside, tmp_path, monkeypatch):
    outside(aws)
    boto3.client("sesv2").create_email_identity(EmailIdentity="desk.test")
    asked = []
    session = boto3.Session()
    session.events.register("provide-client-params.sesv2.SendEmail", lambda params, **_: asked.append(dict(params)))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    settings = Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")

    await Mailer(settings).send(replace(LETTER, reports_to="bounce+one@desk.test"))
    await Mailer(settings.model_copy(update={"desk_name": "Hilfe für alle, schnell"})).send(LETTER)

    told = [each.get("FeedbackForwardingEmailAddress") for each in asked]
    assert told == ["bounce+one@desk.test", None]
    # It wants names beyond ASCII encoded.
    assert [each["FromEmailAddress"] for each in asked] == [
        "Deskwire <desk@desk.test>",
        "=?utf-8?q?Hilfe_f=C3=BCr_alle=2C_schnell?= <desk@desk.test>",
    ]


@pytest.mark.parametrize(
    ("code", "said", "raised"),
    [
        ("MessageRejected", "Message content contains a virus.", Undeliverable),
        ("MessageRejected", "Email address is not verified. The following identities failed: desk@desk.test", Later),
        ("BadRequestException", "Missing final '@domain'", Undeliverable),
        ("LimitExceededException", "Too fast.", Later),
    ],
)
async def test_what_ses_says_of_the_letter_is_for_ever_and_of_us_for_now(
    aws, outside, tmp_path, monkeypatch, code, said, raised
):
    outside(aws)
    session = boto3.Session()

    def refuse(**_):
        raise ClientError({"Error": {"Code": code, "Message": said}}, "SendEmail")

    session.events.register("before-call.sesv2.SendEmail", refuse)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    settings = Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")
    with pytest.raises(raised):
        await Mailer(settings).send(LETTER)


async def test_letters_at_once_share_one_client(aws, outside, tmp_path, monkeypatch):
    outside(aws)
    boto3.client("sesv2").create_email_identity(EmailIdentity="desk.test")
    made, make = [], boto3.client

    def slowly(*given, **more):
        made.append(given)
        time.sleep(0.05)
        return make(*given, **more)

    monkeypatch.setattr(boto3, "client", slowly)
    settings = Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")
    mailer = Mailer(settings)
    before = len(ses_backends["123456789012"]["eu-central-1"].sent_messages)

    await asyncio.gather(*[mailer.send(LETTER) for _ in range(4)])
    await mailer.close()

    assert made == [("sesv2",)]
    assert len(ses_backends["123456789012"]["eu-central-1"].sent_messages) == before + 4


async def test_a_letter_waits_while_ses_is_away(outside, tmp_path):
    outside(f"http://127.0.0.1:{embedded.free_port()}")
    settings = Settings(embedded=True, data_dir=tmp_path, smtp_url="ses://eu-central-1", mail_from="desk@desk.test")
    with pytest.raises(Later):
        await Mailer(settings).send(LETTER)


def test_settings_come_from_secrets_manager(aws, outside, monkeypatch):
    outside(aws)
    for name in ("DESKWIRE_EMBEDDED", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SMTP_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SECRET_ID", "desk/production")
    with pytest.raises(InvalidSettingsError) as refused:
        read()
    assert str(refused.value) == "AWS_SECRET_ID: can't be read: ResourceNotFoundException"

    kept = {"DATABASE_URL": "postgresql://db/desk", "REDIS_URL": "redis://cache", "SECRET_KEY": SECRET}
    boto3.client("secretsmanager").create_secret(Name="desk/production", SecretString=json.dumps(kept))

    assert read().secret_key == SECRET
