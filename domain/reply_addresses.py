"""To which addresses answers go: apart, since whoever only asks whose a mail is does without the desk behind it."""

import re
from email.utils import parseaddr

from infra.settings import Settings

ADDRESS = re.compile(r"reply\+([a-z2-7]{45})@(.+)", re.IGNORECASE)  # 52 characters before the @, of 64 that may be


def is_reply(settings: Settings, address: str) -> bool:
    """Whether mail for this address answers a message of ours."""
    found = ADDRESS.fullmatch(address)
    return found is not None and found[2].lower() == (settings.reply_domain or "").lower()


def is_ours(settings: Settings, address: str) -> bool:
    """Whether mail for this address is for the desk."""
    domain = address.rpartition("@")[2].lower()
    mail_from = parseaddr(settings.mail_from)[1].lower()
    return domain == (settings.reply_domain or "").lower() or address.lower() == mail_from
