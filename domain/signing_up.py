"""Signing up: whoever has an address becomes a customer, without anybody else learning whether they were one."""

from domain import attempts, links, people, words
from domain.jobs import SignUp
from domain.people import Newcomer
from domain.refusals import Problems
from infra.desk import Desk
from infra.unit import Unit
from models import MessageKind, Role


async def ask(desk: Desk, network: str, *, name: str, email: str, locale: str | None) -> str:
    """Mail a sign-in link to the address; gives it as it was understood. Raises InvalidInput, RateLimited.

    A job finds out whether somebody has it, so neither this answer nor its time tells.
    """
    problems = Problems()
    said = words.line(problems, "name", name, most=words.MOST_NAME, what="The name")
    address = words.email(problems, "email", email)
    language = words.locale(problems, "locale", locale)
    problems.refuse()
    await attempts.take(desk.writes, attempts.SIGN_UP_BY_NETWORK, network)
    await attempts.take(desk.writes, attempts.LINK_BY_EMAIL, address)
    async with desk.writes.begin() as unit:
        unit.enqueue(SignUp(said, address, language))
        unit.trail.about(None, None, "Asked to sign up.")
    return address


async def welcome(unit: Unit, asked: SignUp) -> None:
    """Make whoever has the address a customer, unless they are known; and mail them a link. Whoever is shut out stays
    so, and hears nothing.
    """
    newcomer = Newcomer(asked.name, asked.email, Role.CUSTOMER, [], asked.locale, invite=False)
    person = await people.known_or_added(unit, newcomer)
    if person.active:
        links.send(unit, person.id, MessageKind.SIGN_IN_LINK)
