"""Mail to whoever operates the desk."""

from domain import alarms
from domain.jobs import TellOperator
from infra.jobs import Work, performs


@performs(TellOperator)
async def tell_operator(work: Work[TellOperator]) -> None:
    await alarms.tell(work)
