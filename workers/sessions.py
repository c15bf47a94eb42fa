"""Sign-in links, found a recipient for where nobody can measure how long that takes."""

from domain import sessions, signing_up
from domain.jobs import SendSignInLink, SignUp
from infra.jobs import Work, performs


@performs(SendSignInLink)
async def send_sign_in_link(work: Work[SendSignInLink]) -> None:
    async with work.settle() as unit:
        await sessions.send_link(unit, work.job.email)


@performs(SignUp)
async def sign_up(work: Work[SignUp]) -> None:
    async with work.settle() as unit:
        await signing_up.welcome(unit, work.job)
