"""What nobody expected of a plain route: reported, and answered with the id that finds it again."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.logs import report
from planner.engine import APOLOGY
from web import traces


class Reported:
    """Reports what its application raises, once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
            await JSONResponse({"error": APOLOGY, "id": error_id}, status_code=500)(scope, receive, send)
