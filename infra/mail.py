"""Outgoing mail: one letter to one person, handed to the first of several servers that takes it."""

import asyncio
import time
from contextlib import nullcontext
from dataclasses import replace
from email.headerregistry import Address
from typing import Final

import structlog
from opentelemetry.trace import SpanKind

from infra import tracing
from infra.faults import told
from infra.letters import Away, Carrier, Later, Letter, Undeliverable, mailable, sender_of, written
from infra.ses import Ses
from infra.settings import Settings
from infra.smtp import Smtp

log = structlog.get_logger(__name__)

BULK_SHARE: Final = 0.75  # of the connections: the others are for mail that somebody waits for
REST_SECONDS: Final = 30  # in which a server that was away is the last to be asked


class Mailer:
    """Hands letters over for one process."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: SMTP_URL names the servers in their order."""
        self._settings = settings
        self._carriers: list[Carrier] = [
            Ses(url) if url.startswith("ses:") else Smtp(url) for url in settings.smtp_urls
        ]
        self._away: dict[Carrier, float] = {}  # since when
        self._particular: set[Carrier] = set()  # about who sends
        self.most_in_bulk = max(1, int(settings.smtp_pool_size * BULK_SHARE))
        self._all, self._bulk = asyncio.Semaphore(settings.smtp_pool_size), asyncio.Semaphore(self.most_in_bulk)

    async def send(self, letter: Letter, *, bulk: bool = False) -> None:
        """Hand a letter over, once a connection is free. `bulk`: one of so many that others, of which each has somebody
        who waits for it, are not to stand behind them.

        Raises `Undeliverable` when its address is none or a server refuses it for good, `Later` when none takes it now.
        """
        if not self._carriers:
            raise Later("SMTP_URL is not set.", "SMTP_URL is not set")
        sender = sender_of(self._settings.mail_from, self._settings.desk_name)
        letter = replace(letter, to=mailable(letter.to))
        message = written(sender, letter)
        refusals: list[Later] = []
        for carrier in self._in_order():
            with tracing.span("send mail", SpanKind.CLIENT, {"server.address": carrier.name}):
                try:
                    async with self._bulk if bulk else nullcontext(), self._all:
                        await self._hand_over(carrier, sender, letter, message)
                except Later as later:
                    tracing.failed(later)
                    refusals.append(later)
                    self._note(carrier, later)
                else:
                    if self._away.pop(carrier, None):
                        log.info("mail_server_back", server=carrier.name)
                    return
        raise refusals[0]

    async def _hand_over(self, carrier: Carrier, sender: Address, letter: Letter, message: bytes) -> None:
        """Hand it over, if need be without an address for reports: there are servers that let us be MAIL_FROM alone."""
        try:
            await carrier.hand_over(sender, letter, message)
        except Undeliverable as refused:
            if letter.reports_to is None:
                raise
            await carrier.hand_over(sender, replace(letter, reports_to=None), message)
            if carrier not in self._particular:
                self._particular.add(carrier)
                log.warning("mail_server_takes_mail_from_alone", server=carrier.name, error=told(refused))

    async def close(self) -> None:
        """Say goodbye to the servers."""
        for carrier in self._carriers:
            await carrier.close()

    def _in_order(self) -> list[Carrier]:
        """The servers as SMTP_URL names them, those last that were away just now."""
        now = time.monotonic()
        return sorted(self._carriers, key=lambda each: now - self._away.get(each, -REST_SECONDS) < REST_SECONDS)

    def _note(self, carrier: Carrier, later: Later) -> None:
        if not isinstance(later, Away) or len(self._carriers) == 1:  # it has heard of the letter, or is the only one
            return
        if carrier not in self._away:
            log.warning("mail_server_away", server=carrier.name, error=later.told)
        self._away[carrier] = time.monotonic()
