"""What nobody expected of a plain route: reported, and answered with the id that finds it again."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.wording import marked
from infra.desk import Desk
from infra.logs import report
from planner.engine import APOLOGY
from web import traces
from web.rendering import NOT_NOW, page, wording_of

FAULT = marked("Something went wrong on our side. Try again later; under {id} we find what it was.")


def apology(desk: Desk, request: Request, error_id: str) -> Response:
    """What whoever asked is told: people on a page, programs in JSON."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": APOLOGY, "id": error_id}, status_code=500)
    w = wording_of(request)
    return page(desk, w, "gone.html", w.said(NOT_NOW), 500, text=w.said(FAULT, id=error_id))


class Reported:
    """Reports what its application raises, once."""

    def __init__(self, app: ASGIApp, apologise: Callable[[Request, str], Response]) -> None:
        """`apologise`: answers a request, given the id of the report."""
        self._app, self._apologise = app, apologise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An error comes to nobody else, unless the answer has begun: then the server has to cut it off."""
        began = False
        if scope["type"] == "http":
            traces.begun(dict(scope["headers"]))

        async def said(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, said)
        except Exception as error:
            # Not its path: that of a mailed link lets in who knows it.
            error_id = report(error, endpoint=getattr(scope.get("endpoint"), "__qualname__", None))
            if began or scope["type"] != "http":
                raise
            await self._apologise(Request(scope), error_id)(scope, receive, send)
