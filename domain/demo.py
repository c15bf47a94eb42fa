"""The demo: people, departments, categories, services, articles and a few tickets, the same on every machine."""

import datetime as dt
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, select

from domain import people, services, sessions
from domain.access import Viewer
from domain.articles import categories as article_categories
from domain.articles import feedback, publishing, views, writing
from domain.articles.feedback import Opinion
from domain.maintenance import announcing
from domain.people import Newcomer
from domain.tickets import submitting
from domain.tickets.submitting import Submission
from infra.desk import Desk
from infra.settings import Settings
from infra.unit import Unit
from models import (
    ArticleAudience,
    ArticleCategory,
    ArticleFeedbackSource,
    AssignmentMethod,
    BusinessCalendar,
    Category,
    Department,
    EscalationLevel,
    EscalationRule,
    EscalationTrigger,
    MaintenanceAudience,
    MaintenanceNotice,
    MaintenanceSeverity,
    MessageChannel,
    Person,
    Role,
    RoutingRule,
    Service,
    SlaPolicy,
    SlaTargetKind,
    SlaVersion,
    Ticket,
    TicketPriority,
)

log = structlog.get_logger(__name__)

PASSWORD = "deskwire-demo"  # noqa: S105 # everybody knows it, and only the embedded desk has it
SUPPORT, BILLING = "Technical Support", "Billing"
PEOPLE = (
    ("customer@example.com", "Carla Customer", Role.CUSTOMER, None),
    ("other.customer@example.com", "Otto Other", Role.CUSTOMER, None),
    ("agent@example.com", "Ada Agent", Role.AGENT, SUPPORT),
    ("lead@example.com", "Leo Lead", Role.TEAM_LEAD, SUPPORT),
    ("manager@example.com", "Mia Manager", Role.MANAGER, SUPPORT),
    ("billing.agent@example.com", "Bill Billing", Role.AGENT, BILLING),
    ("director@example.com", "Dora Director", Role.DIRECTOR, None),
    ("admin@example.com", "Alex Admin", Role.ADMIN, None),
)
WRITER = "director@example.com"
CATEGORIES = (
    ("Technical problem", SUPPORT, "Something does not work: an error, a crash, a login that fails.", False),
    ("Billing", BILLING, "Invoices, payments, refunds and prices.", False),
    ("Other", SUPPORT, "Everything else. Say in a few words what it is about.", True),
)
HOLIDAYS = ({"date": "2026-12-24", "name": "Christmas Eve"}, {"date": "2026-12-31", "name": "New Year's Eve"})
HOUR = 3600
# Of working time, to the first answer and to the resolution. What is due within an hour is at risk from the beginning.
TARGETS = {
    TicketPriority.URGENT: (2 * HOUR, 4 * HOUR),
    TicketPriority.HIGH: (3 * HOUR, 8 * HOUR),
    TicketPriority.NORMAL: (4 * HOUR, 24 * HOUR),
    TicketPriority.LOW: (8 * HOUR, 80 * HOUR),
}
SERVICES = (("API", "What programs talk to."), ("Website", "What people see in a browser."))
MAINTENANCE = "A faster database"
ESCALATIONS = (
    ("Nobody has it for an hour", EscalationTrigger.UNASSIGNED, 3600, EscalationLevel.TEAM_LEAD),
    ("Not acknowledged for two hours", EscalationTrigger.NOT_ACKNOWLEDGED, 2 * 3600, EscalationLevel.MANAGER),
    ("Not resolved for three days", EscalationTrigger.NOT_RESOLVED, 3 * 24 * 3600, EscalationLevel.DIRECTOR),
)
TICKETS = (
    (
        "customer@example.com",
        "Technical problem",
        "The export stops at 90 %",
        "It says *please wait* and then nothing.",
        None,
    ),
    ("customer@example.com", "Billing", "Invoice 2026-118 has the wrong address", "We moved in **March**.", None),
    ("other.customer@example.com", "Other", "Do you visit schools?", "We would like to show our class.", "A visit"),
)

# Categories with their articles: title, body, for whom.
ARTICLES = (
    (
        "Getting started",
        "The first steps.",
        (
            (
                "Reset your password",
                "Choose *I forgot my password* where you sign in.\n\n## No mail comes\n\nLook among the junk.",
                ArticleAudience.PUBLIC,
            ),
            (
                "Export your data",
                "Choose **Export** in the menu; a mail tells when it is done.\n\n## The export stops\n\nBegin again.",
                ArticleAudience.PUBLIC,
            ),
        ),
    ),
    (
        "Invoices and payment",
        "What you pay, and how.",
        (
            (
                "Change the address on invoices",
                "Choose **Billing** in the settings. Invoices that were sent keep their address; ask us for a new one.",
                ArticleAudience.CUSTOMERS,
            ),
            (
                "When we refund",
                "Within 30 days always, after that a lead decides.",
                ArticleAudience.STAFF,
            ),
        ),
    ),
)


# Which category of tickets they answer.
ANSWERED = {"Getting started": "Technical problem", "Invoices and payment": "Billing"}
# What readers say of them.
ON_PAGE = ArticleFeedbackSource.ARTICLE
MISSED = "No mail came, and it was not among the junk either."
OPINIONS = {
    "Reset your password": (
        ("customer@example.com", Opinion(helpful=True, rating=5, comment=None, source=ON_PAGE)),
        ("other.customer@example.com", Opinion(helpful=False, rating=2, comment=MISSED, source=ON_PAGE)),
    ),
    "Change the address on invoices": (
        ("customer@example.com", Opinion(helpful=True, rating=4, comment="Quickly done.", source=ON_PAGE)),
    ),
}


def _person(email: Any) -> Select[Person]:
    return select(Person).where(Person.email == email)


def _anybody() -> Select[Person]:
    return select(Person).where(Person.email.in_([email for email, *_ in PEOPLE])).limit(1)


def _any_article_category() -> Select[ArticleCategory]:
    return select(ArticleCategory).limit(1)


def _category(name: Any) -> Select[Category]:
    return select(Category).where(Category.name == name)


async def seed(settings: Settings, *, more: int = 0) -> None:
    """Make what is missing. People are not when one of them is there: of the others one may have been erased.

    `more`: so many tickets with a history of three years, once.
    """
    async with Desk.open(settings) as desk:
        async with desk.writes.begin() as unit:
            if await unit.read(_anybody) is None:
                await _house(unit)
            if await unit.read(_any_article_category) is None:
                await _articles(unit)
        for email, category, subject, body, topic in TICKETS:
            await _ticket(desk, email, category, subject, body, topic)
        await _maintenance(desk)
        if more:
            from domain import demo_large

            await demo_large.seed(settings.database_url, more)


async def _house(unit: Unit) -> None:
    office = _office_hours(unit)
    departments = {name: _department(unit, name, office) for name in (SUPPORT, BILLING)}
    _policy(unit)
    password_hash = sessions.hash_password(PASSWORD)
    for email, name, role, department in PEOPLE:
        theirs = [departments[department]] if department else []
        await people.add(unit, Newcomer(name, email, role, theirs, None, invite=False, password_hash=password_hash))
    for position, (name, department, description, is_other) in enumerate(CATEGORIES):
        unit.insert(
            Category,
            name=name,
            description=description,
            department_id=departments[department],
            default_priority=TicketPriority.NORMAL,
            is_other=is_other,
            position=0 if is_other else position,
            archived_at=None,
        )
    for name, description in SERVICES:
        unit.insert(Service, name=name, description=description, archived_at=None)
    unit.insert(
        RoutingRule,
        name="Outages first",
        position=0,
        active=True,
        category_ids=[],
        priorities=[],
        service_ids=[],
        words=["outage", "everything is down"],
        email_domains=[],
        department_id=departments[SUPPORT],
        assignee_id=None,
        priority=TicketPriority.URGENT,
        add_tags=["outage"],
    )
    for name, trigger, seconds, level in ESCALATIONS:
        unit.insert(
            EscalationRule,
            name=name,
            active=True,
            trigger=trigger,
            after_seconds=seconds,
            level=level,
            priorities=[],
            department_ids=[],
            changed_at=unit.now,
        )


async def _articles(unit: Unit) -> None:
    """Written and published as a director would."""
    await unit.flush()
    writer = await unit.read(_person, WRITER)
    if writer is None:
        raise LookupError("The demo has people before it has articles.")
    viewer = Viewer(writer.role, writer.id)
    for name, description, texts in ARTICLES:
        about = [row.id for row in await unit.read_all(_category, ANSWERED[name])]
        form = article_categories.Form(name, description, None, about, None, archived=False)
        category_id = await article_categories.save(unit, viewer, None, form)
        await unit.flush()
        for title, body, audience in texts:
            said = writing.Beginning(title, None, body, category_id, audience, [], "en", None)
            article_id = await writing.create(unit, viewer, said)
            await publishing.publish(unit, viewer, article_id, None, None)
            await unit.flush()
            for email, opinion in OPINIONS.get(title, ()):
                if reader := await unit.read(_person, email):
                    asking = Viewer(reader.role, reader.id)
                    await views.record(unit, asking, "", article_id)
                    await feedback.give(unit, asking, "", article_id, opinion)
                    await unit.flush()


def _office_hours(unit: Unit) -> UUID:
    return unit.insert(
        BusinessCalendar,
        name="Office hours",
        time_zone="Europe/Berlin",
        hours=[{"weekday": day, "opens": 9 * 60, "closes": 17 * 60} for day in range(5)],
        holiday_region="DE",
        holidays=list(HOLIDAYS),
    ).id


def _policy(unit: Unit) -> None:
    """A policy for all tickets, counted by their departments' hours."""
    policy = unit.insert(
        SlaPolicy,
        name="Standard",
        description="What we promise everyone.",
        position=0,
        active=True,
        department_ids=[],
        category_ids=[],
    )
    kinds = (SlaTargetKind.FIRST_RESPONSE.name, SlaTargetKind.RESOLUTION.name)
    unit.insert(
        SlaVersion,
        policy_id=policy.id,
        number=1,
        targets={priority.name: dict(zip(kinds, times, strict=True)) for priority, times in TARGETS.items()},
        calendar_id=None,
        pauses_on_hold=False,
        created_at=unit.now,
    )


def _department(unit: Unit, name: str, calendar_id: UUID) -> UUID:
    return unit.insert(
        Department,
        name=name,
        description=None,
        assignment=AssignmentMethod.MANUAL,
        agent_capacity=None,
        calendar_id=calendar_id,
        archived_at=None,
    ).id


def _notice(title: Any) -> Select[MaintenanceNotice]:
    return select(MaintenanceNotice).where(MaintenanceNotice.title == title).limit(1)


def _service(name: Any) -> Select[Service]:
    return select(Service).where(Service.name == name)


async def _maintenance(desk: Desk) -> None:
    """Announced as a manager would, for a customer who wants to hear of it."""
    async with desk.writes.begin() as unit:
        customer, manager = [await unit.read(_person, PEOPLE[place][0]) for place in (0, 4)]
        service = await unit.read(_service, SERVICES[0][0])
        known = await unit.read(_notice, MAINTENANCE)
        if customer is None or manager is None or service is None or known is not None:
            return
        await services.subscribe(unit, Viewer(customer.role, customer.id), service.id, None)
        begins = (unit.now + dt.timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
        form = announcing.Form(
            title=MAINTENANCE,
            message="{{services}} will not answer from {{startsAt}} to {{endsAt}}. **Nothing gets lost.**",
            severity=MaintenanceSeverity.MAJOR,
            service_ids=[service.id],
            starts_at=begins,
            ends_at=begins + dt.timedelta(hours=2),
            audience=MaintenanceAudience.SUBSCRIBERS,
            channels=list(MessageChannel),
            remind_before_seconds=HOUR,
            automatic=True,
        )
        await announcing.schedule(unit, Viewer(manager.role, manager.id), form)


def _tickets_about(subject: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.subject == subject).limit(1)


async def _ticket(desk: Desk, email: str, category: str, subject: str, body: str, topic: str | None) -> None:
    """Submitted as a customer would, so that it has its history, mail and notifications."""
    async with desk.writes.begin() as unit:
        person, kind = await unit.read(_person, email), await unit.read(_category, category)
        if person is None or kind is None or await unit.read(_tickets_about, subject) is not None:
            return
        viewer = Viewer(person.role, person.id)
        await submitting.submit(unit, viewer, Submission(subject, body, kind.id, topic))
