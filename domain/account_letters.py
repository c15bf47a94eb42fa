"""Letters to people about their own accounts: what was changed, when, and what to do if they did not expect it.

Nobody can turn them off. They go where somebody was to be reached when it happened, whatever has been changed since.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, select

from domain import messages
from domain.wording import Wording, marked
from infra.unit import Unit
from models import ApiToken, ApiTokenScope, Message, MessageKind, Person, Role


class Text(NamedTuple):
    """What a letter says."""

    subject: str
    happened: str
    advice: str


_PASSWORD = Text(
    marked("Your password was changed"),
    marked(
        "On {moment} a new password was set for your account at {desk_name}. "
        "Whatever else was signed in as you is no longer."
    ),
    marked("Was it not you? Then ask for a link to sign in, set another password, and tell us."),
)
_HERE = Text(
    marked("Your email address was changed"),
    marked("Since {moment} this is the address of your account at {desk_name}: its mail comes here."),
    marked("Did you not expect it? Then tell us."),
)
_ELSEWHERE = Text(
    _HERE.subject,
    marked("Since {moment} your account at {desk_name} has another address: its mail comes here no longer."),
    marked("Did you not expect it? Then tell us at once: with the other address somebody can sign in as you."),
)
_ROLE = Text(
    marked("You have another role"),
    marked("On {moment} your role at {desk_name} was changed. Now it is: {role}. You have to sign in again."),
    _HERE.advice,
)
_SHUT_OUT = Text(
    marked("You can't sign in any more"),
    marked("Since {moment} you can't sign in to {desk_name} any more. Your links and tokens don't work there either."),
    marked("If you think that this is a mistake, tell us."),
)
_MADE = marked("A token was made in your name")
_REVOKE = marked("Was it not you? Then revoke it, set another password, and tell us.")
_TOKEN = {
    ApiTokenScope.READ: Text(
        _MADE,
        marked(
            "On {moment} a token for a program was made in your name at {desk_name}: “{name}”. "
            "Whoever has it can read what you can, until {until}."
        ),
        _REVOKE,
    ),
    ApiTokenScope.WRITE: Text(
        _MADE,
        marked(
            "On {moment} a token for a program was made in your name at {desk_name}: “{name}”. "
            "Whoever has it can read and change what you can, until {until}."
        ),
        _REVOKE,
    ),
}
_SESSION = Text(
    marked("You were signed out, to be safe"),
    marked(
        "On {moment} we ended a session of yours at {desk_name}: what keeps it open was used twice. "
        "It may be that a connection broke at the wrong moment, or that somebody has a copy of it, "
        "which is of no use now."
    ),
    marked("You can sign in again. If this happens more often, set another password, and tell us."),
)
ROLES = {
    Role.CUSTOMER: marked("customer"),
    Role.AGENT: marked("agent"),
    Role.TEAM_LEAD: marked("team lead"),
    Role.MANAGER: marked("manager"),
    Role.DIRECTOR: marked("director"),
    Role.ADMIN: marked("administrator"),
}
_SAID = {
    MessageKind.PASSWORD_CHANGED: _PASSWORD,
    MessageKind.ROLE_CHANGED: _ROLE,
    MessageKind.SHUT_OUT: _SHUT_OUT,
    MessageKind.SESSION_ENDED: _SESSION,
}
KINDS = {*_SAID, MessageKind.ADDRESS_CHANGED, MessageKind.TOKEN_MADE}


def owe(unit: Unit, kind: MessageKind, person: Person, *, to: str | None = None, about: Sequence[UUID] = ()) -> None:
    """Tell somebody what has happened to their account, once this is committed. `to`: else to the address they have."""
    messages.queue(unit, kind, person.id, event_ids=about, to=to or person.email)


def _token(token_id: Any) -> Select[ApiToken]:
    return select(ApiToken).where(ApiToken.id == token_id)


async def text(unit: Unit, message: Message, person: Person, desk_name: str, w: Wording) -> Text | None:
    """What such a letter says to its reader; None when what it tells of is forgotten."""
    facts: dict[str, str] = {"moment": w.moment(message.created_at), "desk_name": desk_name}
    if message.kind is MessageKind.TOKEN_MADE:
        token = await unit.read(_token, message.event_ids[0])
        if token is None:
            return None
        says = _TOKEN[token.scope]
        facts |= {"name": token.name, "until": w.moment(token.expires_at)}
    elif message.kind is MessageKind.ADDRESS_CHANGED:
        says = _HERE if message.address == person.email else _ELSEWHERE
    else:
        says = _SAID[message.kind]
        facts["role"] = w.said(ROLES[person.role])
    return Text(*(w.said(each, **facts) for each in says))
