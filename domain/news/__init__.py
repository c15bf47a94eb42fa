"""News of tickets, in emails and in the app: the words for what happened."""

from typing import NamedTuple

from markupsafe import Markup, escape

from domain.wording import marked
from models import TicketStatus

# What happened, in the words of emails and notifications.
SOLVED = marked("{name} has solved it.")
SOLVED_BEFORE = marked("A reminder: {name} has solved it.")
REOPENED = marked("{name} has opened it again.")
CONFIRMED = marked("{name} has confirmed that it is solved.")
RATED = marked("{name} rates the help with {rating} of 5.")
CLOSED = marked("{name} has closed it.")
EXPIRED = marked("It is closed, since nobody has said that anything is left to do.")
RESUMES = marked("It continues on {moment}.")
MERGED = marked("It was merged with another one, where it goes on.")
MERGED_INTO = marked("It was merged with #{number}, where it goes on.")
TOOK_IN = marked("A ticket that you follow was merged with this one, where it goes on.")
OVER = ("RESOLVED", "CLOSED")
TO_CUSTOMERS = {
    "OPEN": marked("We are working on it."),
    "PENDING": marked("We are waiting for your answer."),
    "ON_HOLD": marked("It is on hold."),
}
TO_STAFF = TO_CUSTOMERS | {"OPEN": marked("It is open."), "PENDING": marked("It is waiting for the customer.")}
LABELS = {
    TicketStatus.OPEN: marked("Open"),
    TicketStatus.PENDING: marked("Pending"),
    TicketStatus.ON_HOLD: marked("On hold"),
    TicketStatus.RESOLVED: marked("Solved"),
    TicketStatus.CLOSED: marked("Closed"),
}
DUE = {
    "FIRST_RESPONSE": marked("The first answer is due on {moment}."),
    "RESOLUTION": marked("The solution is due on {moment}."),
}
TARGETS = {
    "FIRST_RESPONSE": marked("The target for the first answer was missed; it was due on {moment}."),
    "RESOLUTION": marked("The target for the solution was missed; it was due on {moment}."),
}
LEVELS = {
    "TEAM_LEAD": marked("{name} has escalated it to the team lead."),
    "MANAGER": marked("{name} has escalated it to the manager."),
    "DIRECTOR": marked("{name} has escalated it to the director."),
}


class Block(NamedTuple):
    """A sentence of ours, or what somebody wrote, with HTML of its own."""

    text: str
    html: Markup | None = None
    quote: bool = False  # whether it stands apart from what the desk says


def quoted(text: str, html: str | None = None) -> Block:
    """What somebody wrote; `html`: made safe when it was written."""
    made = escape(text).replace("\n", Markup("<br>")) if html is None else Markup(html)  # noqa: S704 # see above
    return Block(text, made, quote=True)
