"""What a real desk still lacks before it is opened to people, as far as its database tells."""

from typing import Any

from sqlalchemy import Select, func, select

from domain import demo, sessions
from domain.metrics import figures
from infra.desk import Desk
from infra.settings import Settings
from models import Category, Person, Role


def _admins() -> Select[*tuple[Any, ...]]:
    return select(func.count()).select_from(Person).where(Person.role == Role.ADMIN, Person.active)


def _categories() -> Select[*tuple[Any, ...]]:
    return select(func.count()).select_from(Category).where(Category.archived_at.is_(None))


def _with_passwords(emails: Any) -> Select[Person]:
    rows = select(Person).where(Person.email == func.any(emails), Person.active, Person.password_hash.is_not(None))
    return rows.order_by(Person.email)


async def missing(settings: Settings) -> list[tuple[str, str]]:
    """What is weak, and why. None of an embedded desk, whose people everybody knows."""
    if settings.embedded:
        return []
    async with Desk.open(settings) as desk, desk.writes.begin() as unit:
        admins = (await unit.run(_admins))[0][0]
        categories = (await unit.run(_categories))[0][0]
        undrawn = (await unit.run(figures.undrawn))[0][0]
        known = await unit.read_all(_with_passwords, [email for email, *_ in demo.PEOPLE])
    none = "nobody is an admin: `desk invite you@example.com --role ADMIN` makes the first one"
    come_in = [who.email for who in known if await sessions.verified(who.password_hash or "", demo.PASSWORD)]
    said = [f"{email} comes in by the demo's password, which everybody knows" for email in come_in]
    found = [("people", text) for text in ([] if admins else [none]) + said]
    if not categories:
        found.append(("categories", "there are none, so nobody can submit a ticket: an admin makes a department first"))
    if undrawn:
        anew = f"{undrawn} months have no percentiles, counted by an earlier version: run `desk rebuild-metrics`"
        found.append(("figures", anew))
    return found
