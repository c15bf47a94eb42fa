"""Following a list of tickets."""

from functools import partial
from typing import Annotated

from domain.access import Viewer
from domain.tickets import following, lists
from planner.fields import argument
from planner.live import Live, changes, subscription
from planner.pages import NO_PART
from schema.following import TicketChange
from schema.tickets import TicketFilter


@subscription(
    "Tickets that enter, change within or leave a list, for keeping it fresh. "
    "Not a feed: subscribe, then fetch the list, and after a reconnect again."
)
def tickets_changed(
    viewer: Viewer,
    filter: Annotated[TicketFilter | None, argument("The list; default: all that the viewer can see.")] = None,
) -> Live[TicketChange]:
    asked = filter.conditions() if filter else lists.Conditions()
    return changes(
        names=following.channels(viewer),
        held=following.held(viewer, NO_PART._replace(first=following.MOST_HELD), asked),
        recent=partial(following.recent, viewer),
        rows=partial(following.changes, viewer, asked),
        pause=following.PAUSE_SECONDS,
    )
