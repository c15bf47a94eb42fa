"""What the planner refuses, and how that looks to a client."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """What the client asked for can't be answered; the message is for the client, the code for programs."""

    code: ClassVar[str] = "INTERNAL"


class BadRequest(Refused):
    """An argument's value can't be accepted."""

    code = "BAD_REQUEST"


class NotAllowed(Refused):
    """The viewer's role may not use this at all."""

    code = "NOT_ALLOWED"


class Unauthenticated(Refused):
    """Nobody is signed in, and this needs somebody."""

    code = "UNAUTHENTICATED"


class Unavailable(Refused):
    """The desk can't answer now; trying again may help."""

    code = "UNAVAILABLE"


class TooCostly(Refused):
    """More is asked than one operation may."""

    code = "TOO_COSTLY"
