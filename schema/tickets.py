"""Tickets as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Union

import sqlalchemy as sa
import strawberry

import models
from domain import (
    access,
    attachments,
    categories,
    comments,
    escalations,
    history,
    notifications,
    resolutions,
    tickets,
    words,
)
from domain.access import Viewer
from domain.articles import search as article_search
from domain.tickets import actions, linking, lists, search
from domain.tickets.actions import TicketAction
from domain.tickets.lists import TicketOrderField
from planner.fields import Payload, When, argument, attribute, input_field, payload, planned
from planner.nodes import Node, NodeIds, stored
from planner.pages import Alike, Connection, Edge, PageArguments
from schema.articles import ArticleSuggestion
from schema.attachments import Attachment
from schema.categories import Category
from schema.comments import Comment
from schema.departments import Department
from schema.enums import described
from schema.escalations import Escalation
from schema.inputs import KEY, given, optional, required
from schema.links import TicketLink
from schema.people import Person
from schema.presence import TicketPresence
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound, RateLimited
from schema.resolutions import Resolution
from schema.services import Service
from schema.sla import TicketSla
from schema.times import OrderDirection, TimeRange, span

if TYPE_CHECKING:
    from schema.events import TicketEvent

described(
    TicketOrderField,
    "What tickets can be ordered by.",
    CREATED_AT="When they were submitted.",
    UPDATED_AT="When they last changed.",
    PRIORITY="How urgent they are.",
    DUE_AT="When the next SLA target is due; those without one last.",
    WAITING_SINCE="Since when the customer waits; those who don't last.",
    RELEVANCE="How well they match filter.text; needs it.",
)


@stored(models.Ticket, None, node=False)
@strawberry.type(description="Special handling of a ticket of the category for everything else.")
class Triage:
    topic: str | None = attribute("What it is about, in the customer's words; null when it came by email.")
    pending: bool = attribute("Whether a person still has to decide.", column="triage_pending")
    done_at: dt.datetime | None = attribute("When it was decided; null while pending.", column="triaged_at")
    done_by: Person | None = attribute("Who decided; null while pending.", column="triaged_by")

    @planned("The category that fits best by the ticket's words; null when none comes near. Staff.")
    def suggested_category(ticket: models.Ticket, viewer: Viewer) -> Category | None:
        return categories.suggested(ticket, access.works_on(viewer, ticket))


def order_of_history(viewer: Viewer) -> list[Any]:
    """What a history is ordered by: as the viewer's side counts, which may be the other one by tomorrow."""
    side, place = history.side(viewer, models.Event), history.seq(viewer, models.Event)
    return [place] if side is None else [Alike(side), place]


@stored(models.Ticket, "tkt")
@strawberry.type(description="A customer's request for help.")
class Ticket(Node):
    number: int = attribute("Number that people quote, counting up.")
    subject: str = attribute("What it is about, 1 to 200 characters.")
    body: str = attribute("The customer's own words, Markdown, at most 20,000 characters.")
    body_html: str = attribute("The body as HTML.")
    status: models.TicketStatus = attribute("Its state.")
    priority: models.TicketPriority = attribute("How urgent it is.")
    category: Category = attribute("What kind of matter it is.")
    department: Department = attribute("The department that owns it.")
    requester: Person = attribute("The customer whose ticket it is.")
    assignee: Person | None = attribute("The agent who works on it; null when none does.")
    service: Service | None = attribute("The service it concerns; null when none was named.")
    channel: models.TicketChannel = attribute("How it came in.")
    created_at: dt.datetime = attribute("When it was submitted.")
    first_responded_at: dt.datetime | None = attribute("When an agent first answered in public; null before that.")
    waiting_since: dt.datetime | None = attribute("Since when the customer waits for an answer; null when they don't.")
    resumes_at: dt.datetime | None = attribute("When it goes from on hold back to open by itself; null when it won't.")
    closed_at: dt.datetime | None = attribute("When it was closed; null before that.")

    @planned("Tags, at most 20. Staff; empty for customers.")
    def tags(ticket: models.Ticket, viewer: Viewer) -> list[str]:
        works = access.works_on(viewer, ticket)
        if isinstance(works, bool):
            return ticket.tags if works else []
        return sa.case((works, ticket.tags), else_=sa.literal_column("'{}'::text[]"))

    @planned("The search for the right category; null when the customer chose a plain one.")
    def triage(ticket: models.Ticket, viewer: Viewer) -> Triage | None:
        pending: Any = ticket.triage_pending
        return When(pending.is_not(None), ticket)

    @planned("SLA targets; null without a policy. Staff; null for others.")
    def sla(ticket: models.Ticket, viewer: Viewer) -> TicketSla | None:
        version: Any = ticket.sla_version_id
        works = access.works_on(viewer, ticket)
        if isinstance(works, bool):
            return When(version.is_not(None), ticket) if works else None
        return When(sa.and_(works, version.is_not(None)), ticket)

    @planned("When something last changed that the viewer can see; a new comment counts.")
    def updated_at(ticket: models.Ticket, viewer: Viewer) -> dt.datetime:
        return history.updated_at(viewer, ticket)

    @planned("seq of the last event that the viewer can see; serves as the ticket's version for ifSeq.")
    def last_seq(ticket: models.Ticket, viewer: Viewer) -> int:
        return history.last_seq(viewer, ticket)

    @planned("Its comments, oldest first. Internal ones: staff.")
    def comments(
        ticket: models.Ticket,
        viewer: Viewer,
        page: PageArguments,
        internal: Annotated[
            bool | None, argument("Only internal ones, or only public ones; default: all that the viewer can see.")
        ] = None,
    ) -> Connection[Comment]:
        return page.of(comments.visible(viewer, ticket, internal=internal), order=[models.Comment.id])

    @planned(
        "Its history, oldest first. Customers see what concerns them: "
        "nothing of internal comments, SLA targets or tags."
    )
    def events(
        ticket: models.Ticket, viewer: Viewer, page: PageArguments
    ) -> Connection[Annotated["TicketEvent", strawberry.lazy("schema.events")]]:
        return page.of(history.visible(viewer, ticket), order=order_of_history(viewer))

    @planned("All files on the ticket that the viewer can see, oldest first.")
    def attachments(ticket: models.Ticket, viewer: Viewer, page: PageArguments) -> Connection[Attachment]:
        return page.of(attachments.visible(viewer, ticket), order=[models.Attachment.id])

    @planned("The escalation in force; null when there is none.")
    def escalation(ticket: models.Ticket, viewer: Viewer) -> Escalation | None:
        return escalations.in_force(ticket.id)

    @planned("All escalations so far, newest first.")
    def escalations(ticket: models.Ticket, viewer: Viewer, page: PageArguments) -> Connection[Escalation]:
        return page.of(escalations.visible(viewer, ticket), order=[models.Escalation.id.desc()])

    @planned("How it was resolved and what the customer said to that; null before it is resolved.")
    def resolution(ticket: models.Ticket, viewer: Viewer) -> Resolution | None:
        return resolutions.last(ticket)

    @planned("People notified of every change, beside requester and assignee. Staff: all; customers: only customers.")
    def watchers(ticket: models.Ticket, viewer: Viewer, page: PageArguments) -> Connection[Person]:
        return page.of(tickets.watchers(viewer, ticket), order=[models.Person.name, models.Person.id])

    @planned("Whether the viewer watches it.")
    def viewer_is_watching(ticket: models.Ticket, viewer: Viewer) -> bool:
        return access.watched_by(viewer, ticket)

    @planned("Tickets that belong with it, of those that the viewer can see.", most=100)
    def links(
        ticket: models.Ticket,
        viewer: Viewer,
        first: Annotated[int, argument("How many: 1 to 100.", least=1, most=100, plain=True)] = 20,
    ) -> list[TicketLink]:
        return linking.links(viewer, ticket, first)

    @planned("The ticket that took this one in; null unless merged.")
    def merged_into(
        ticket: models.Ticket, viewer: Viewer
    ) -> Annotated["Ticket", strawberry.lazy("schema.tickets")] | None:
        return tickets.one(viewer, ticket.merged_into_id)

    @planned("Tickets that this one took in, oldest first.")
    def merged_tickets(
        ticket: models.Ticket, viewer: Viewer, page: PageArguments
    ) -> Annotated["TicketConnection", strawberry.lazy("schema.tickets")]:
        return page.of(lists.without_words(linking.merged(viewer, ticket)), order=[models.Ticket.id])

    @planned("Who is looking at or writing on it now. Staff; null for others.")
    def presence(ticket: models.Ticket, viewer: Viewer) -> TicketPresence | None:
        works = access.works_on(viewer, ticket)
        if isinstance(works, bool):
            return ticket if works else None
        return When(works, ticket)

    @planned("Published articles that may answer it, best first. Staff.")
    def suggested_articles(
        ticket: models.Ticket,
        viewer: Viewer,
        first: Annotated[int, argument("How many: 1 to 10.", least=1, most=10, plain=True)] = 5,
    ) -> list[ArticleSuggestion]:
        return article_search.for_ticket(viewer, ticket, first)

    @planned("What the viewer may do with it in its present state, for enabling buttons.")
    def viewer_can(ticket: models.Ticket, viewer: Viewer) -> list[TicketAction]:
        return actions.can(viewer, ticket)

    @planned("The viewer's notifications about it that are not read, for marking it as new in a list.")
    def viewer_unread_count(ticket: models.Ticket, viewer: Viewer) -> int:
        return notifications.unread_about(viewer, ticket)


@strawberry.type(name="TicketEdge", description="One ticket in a list.")
class TicketEdge(Edge[Ticket]):
    @planned("Where filter.text was found, as HTML with <mark>; null without it.")
    def highlight_html(found: Any, viewer: Viewer) -> str | None:
        return When(found.words.is_not(None), search.highlight(viewer, found, found.words))


@strawberry.type(name="TicketConnection", description="A page of tickets.")
class TicketConnection(Connection[Ticket]):
    edges: list[TicketEdge] = strawberry.field(description="The tickets of this page, each with its cursor.")


@strawberry.input(description="How to order tickets. Equal ones stand in order of submission.")
class TicketOrder:
    field: TicketOrderField = required("By what.")
    direction: OrderDirection = required("Which way.")


# What the filter names by ids: its fields, and the column of a ticket that is one of them.
NAMED: dict[str, tuple[str, type]] = {
    "category_ids": ("category_id", models.Category),
    "department_ids": ("department_id", models.Department),
    "service_ids": ("service_id", models.Service),
    "requester_ids": ("requester_id", models.Person),
    "assignee_ids": ("assignee_id", models.Person),
}


@strawberry.input(
    description="Which tickets to list. All conditions given must hold; within a list of values, one is enough. "
    "Lists of at most 50."
)
class TicketFilter:
    text: str | None = input_field(
        "Words in subject, body, comments that the viewer can see, or tags; a number finds that ticket. "
        "At most 200 characters.",
        most=search.MOST_TEXT,
        plain=search.kind,
    )
    statuses: list[models.TicketStatus] | None = input_field("In one of these states.", most=50)
    priorities: list[models.TicketPriority] | None = input_field("Of one of these priorities.", most=50)
    category_ids: NodeIds | None = input_field("Of one of these categories.", most=50)
    department_ids: NodeIds | None = input_field("Of one of these departments.", most=50)
    service_ids: NodeIds | None = input_field("Concerning one of these services.", most=50)
    requester_ids: NodeIds | None = input_field("Of one of these customers.", most=50)
    assignee_ids: NodeIds | None = input_field("Assigned to one of these agents.", most=50)
    unassigned: bool | None = input_field("Without an assignee (true) or with one (false).")
    mine: bool | None = input_field("Requested by, assigned to or watched by the viewer.")
    needs_triage: bool | None = input_field("Waiting (true) or not waiting (false) for a person to find the category.")
    breached: bool | None = input_field("With a missed SLA target (true) or without one (false).")
    due_before: dt.datetime | None = input_field("With an SLA target due before this moment.")
    escalation_levels: list[models.EscalationLevel] | None = input_field(
        "Escalated now to one of these levels.", most=50
    )
    ratings: list[int] | None = input_field("With one of these ratings, 1 to 5.", most=50)
    tags: list[str] | None = input_field("With one of these tags.", most=50, check=words.too_long_for_tags)
    channels: list[models.TicketChannel] | None = input_field("Come in by one of these channels.", most=50)
    created: TimeRange | None = input_field("Submitted within.")
    updated: TimeRange | None = input_field("Last changed within.")
    resolved: TimeRange | None = input_field("Resolved within.")

    def conditions(self) -> lists.Conditions:
        """The conditions that are given."""
        text: Any = given(self.text)
        levels = given(self.escalation_levels)
        return lists.Conditions(
            text=text.value if text else None,
            text_kind=text.kind if text else None,
            statuses=given(self.statuses),
            priorities=given(self.priorities),
            channels=given(self.channels),
            any_of={
                column: found.of(model)
                for name, (column, model) in NAMED.items()
                if (found := given(getattr(self, name))) is not None
            },
            escalation_ranks=None if levels is None else [level.value for level in levels],
            tags=words.as_tags(given(self.tags)),
            unassigned=given(self.unassigned),
            mine=given(self.mine),
            needs_triage=given(self.needs_triage),
            breached=given(self.breached),
            due_before=given(self.due_before),
            created=span(self.created),
            updated=span(self.updated),
            resolved=span(self.resolved),
            ratings=given(self.ratings),
        )


@strawberry.input(description="What submitTicket needs.")
class SubmitTicketInput:
    subject: str = required("What it is about, 1 to 200 characters.")
    body: str = required("The matter, Markdown, 1 to 20,000 characters.")
    category_id: strawberry.ID = required("Kind of matter.")
    other_topic: str | None = optional(
        "What it is about, 1 to 200 characters: required with the category for everything else, refused with others."
    )
    priority: models.TicketPriority | None = optional(
        "How urgent; default: the category's. A rule's priority wins over it. URGENT: staff."
    )
    service_id: strawberry.ID | None = optional("The service concerned.")
    requester_id: strawberry.ID | None = optional("The customer; default: the viewer. Staff.")
    upload_ids: list[strawberry.ID] | None = optional("Finished uploads of the viewer, at most 10.")
    tags: list[str] | None = optional("Tags, at most 20 of at most 50 characters. Staff.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The ticket is in.")
class SubmitTicketSuccess:
    ticket: Payload[Ticket] = payload("The new ticket.", tickets.submitted)


SubmitTicketResult = Annotated[
    Union[SubmitTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict, RateLimited],
    strawberry.union("SubmitTicketResult", description="What submitTicket answers."),
]
