"""Facts about this installation, which a client may know before anyone signs in."""

import enum
from dataclasses import dataclass
from typing import Self

from domain.attachments import MOST_FILES
from infra.settings import Settings


class SignInMethod(enum.Enum):
    """A way to sign in."""

    PASSWORD = enum.auto()
    EMAIL_LINK = enum.auto()
    EXTERNAL = enum.auto()


VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the settings say that everyone may know."""

    name: str
    version: str
    sign_in_methods: list[SignInMethod]
    external_issuer: str | None
    max_attachment_bytes: int
    max_attachments_per_comment: int
    attachment_types: list[str]
    confirmation_seconds: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The facts of these settings."""
        elsewhere = settings.oidc_issuer
        return cls(
            name=settings.desk_name,
            version=VERSION,
            sign_in_methods=[method for method in SignInMethod if method is not SignInMethod.EXTERNAL or elsewhere],
            external_issuer=elsewhere,
            max_attachment_bytes=settings.max_attachment_bytes,
            max_attachments_per_comment=MOST_FILES,
            attachment_types=list(settings.attachment_types),
            confirmation_seconds=settings.confirmation_seconds,
        )
