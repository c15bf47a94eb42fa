"""Emails, one job each."""

from domain import mailing
from domain.jobs import SendMessage
from infra.jobs import Work, performs


@performs(SendMessage)
async def send_message(work: Work[SendMessage]) -> None:
    await mailing.deliver(work)
