"""Amazon SES, which takes letters over HTTP."""

import asyncio
import importlib
import threading
from email.headerregistry import Address
from typing import Any, Final
from urllib.parse import urlsplit

from infra.letters import Away, Later, Letter, Undeliverable, mailbox

# What SES says of a message, as opposed to our account, our speed or its own health.
NOT_VERIFIED: Final = "not verified"  # of MessageRejected, which says so of us as well: that is ours to mend
SES_PERMANENT: Final = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})
MOST_CONNECTIONS: Final = 32  # as many as asyncio has threads for what would wait


class Ses:
    """SES in the region of `ses://region`. It puts a Message-ID of its own in place of ours, and is the sender of the
    envelope itself; what comes back to it, it reports where we want.
    """

    def __init__(self, url: str) -> None:
        """`url`: as above."""
        self._region = urlsplit(url).hostname or ""
        self.name = f"Amazon SES, {self._region}"
        self._made: Any = None
        self._making = threading.Lock()

    async def hand_over(self, sender: Address, letter: Letter, message: bytes) -> None:
        """Hand a letter over. Raises `Undeliverable`, `Away` and `Later`."""
        try:
            boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
            errors: Any = importlib.import_module("botocore.exceptions")
        except ModuleNotFoundError as missing:
            said = "SMTP_URL is ses://…, and that needs the package boto3, which is not installed."
            raise Away(said, said) from missing

        def call() -> None:
            self._client(boto3, config).send_email(
                FromEmailAddress=mailbox(sender.display_name, sender.addr_spec),
                Destination={"ToAddresses": [letter.to]},
                Content={"Raw": {"Data": message}},
                **({"FeedbackForwardingEmailAddress": letter.reports_to} if letter.reports_to else {}),
            )

        try:
            await asyncio.to_thread(call)
        except errors.ClientError as refused:
            code = refused.response.get("Error", {}).get("Code")
            what = Undeliverable if code in SES_PERMANENT and NOT_VERIFIED not in str(refused) else Later
            raise what(str(refused), f"Amazon SES says {code}") from refused
        except errors.BotoCoreError as failed:
            raise Away(str(failed), type(failed).__name__) from failed

    def _client(self, boto3: Any, config: Any) -> Any:
        """One for all threads, which is made once: that takes long, and boto3 can't make two at the same time."""
        with self._making:
            if self._made is None:
                limits = config.Config(
                    connect_timeout=5,
                    read_timeout=10,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=MOST_CONNECTIONS,
                )
                self._made = boto3.client("sesv2", region_name=self._region, config=limits)
            return self._made

    async def close(self) -> None:
        """Let go of its connections."""
        if self._made is not None:
            self._made.close()
