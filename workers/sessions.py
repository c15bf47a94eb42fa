"""Sign-in links, found a recipient for where nobody can measure how long that takes."""

from domain import sessions
from domain.jobs import SendSignInLink
from infra.jobs import Work, performs


@performs(SendSignInLink)
async def send_sign_in_link(work: Work[SendSignInLink]) -> None:
    async with work.settle() as unit:
        await sessions.send_link(unit, work.job.email)
