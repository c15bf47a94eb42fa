"""What a resolver is given beside its input: who asks, from where, and the pipes."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.access import Viewer
from infra.desk import Desk


@dataclass(slots=True)
class Context:
    """One request's, or one socket's."""

    desk: Desk
    planner: Any  # the engine that answers planned fields
    viewer: Viewer
    session_id: UUID | None = None
    network: str = ""  # where the request came from
    refresh_cookie: str | None = None
    arrived: bool = False  # whether the viewer is a visitor who has yet to be told by what they are known
    tried: bool = False  # whether credentials were tried
    cookies: dict[str, tuple[str, dt.datetime]] = field(default_factory=dict)  # to be set: value, until when

    def set_cookie(self, name: str, value: str, until: dt.datetime) -> None:
        """Have the answer set a cookie that scripts can't read, for this endpoint alone."""
        self.cookies[name] = (value, until)
