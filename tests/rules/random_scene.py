"""Who asks about random rows, and what each of them may read: said once more, and more simply than the desk says it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from random_rows import START, VISITOR, Rows

import models
from domain.access import NOBODY, Viewer
from domain.notifications import TITLES
from domain.templates import ABOUT_COMMENTS
from models import Role

WORD, NUMBER = re.compile(r"zq\d{4}q"), re.compile(r"(?<![0-9a-f-])[57]00\d{4}(?![0-9a-f-])")
ID = re.compile(r"[a-z]{3}_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?")

CLOCK = ("due_at", "paused_at", "breached_at", "completed_at")  # moments that a clock tells


class Scene(Rows):
    """The rows, the viewers by name, and what each viewer may read: words, ids, numbers and moments."""

    def __init__(self, seed: int) -> None:
        """As rows."""
        super().__init__(seed)
        tickets, customer = self.rows[models.Ticket], self.named["customer"]
        theirs = next(row for row in tickets if row.requester_id == customer.id)
        others = next(row for row in tickets if row.requester_id != customer.id)
        of_staff, member = next((row, p) for row in tickets for p in self.staff if row.requester_id == p.id)
        self.viewers = {
            "nobody": NOBODY,
            "visitor": Viewer(None, VISITOR),
            **{name: Viewer(row.role, row.id) for name, row in self.named.items() if row.active},
            "session": Viewer(Role.CUSTOMER, customer.id, theirs.id),
            "session of what is not theirs": Viewer(Role.CUSTOMER, customer.id, others.id),
            "program": Viewer(Role.AGENT, self.named["agent"].id, scope=models.ApiTokenScope.READ),
            "program of an admin": Viewer(Role.ADMIN, self.named["admin"].id, scope=models.ApiTokenScope.WRITE),
            "session of staff": Viewer(member.role, member.id, of_staff.id),
        }
        telling = [row.updated_at for row in tickets]
        for clock in self.rows[models.SlaClock]:
            telling += [moment for name in CLOCK if (moment := getattr(clock, name))]
        telling += [row.last_seen_at for row in self.rows[models.Person] if row.last_seen_at]
        self.moments = {stamp(moment.isoformat()) for moment in telling if moment > START + dt.timedelta(days=1)}
        self.allowed = {
            name: frozenset(
                word for word in Reader(self, viewer).allowed() if word in self.moments or word[10:11] != "T"
            )
            for name, viewer in self.viewers.items()
        }

    def secrets_in(self, body: str) -> set[str]:
        """What stands in an answer that not everybody may read."""
        found = {*WORD.findall(body), *NUMBER.findall(body), *ID.findall(body)}
        return found | ({stamp(text) for text in MOMENT.findall(body)} & self.moments)


class Reader:
    """One viewer. While their tickets are gone through, it's noted whom and what else these lead to."""

    def __init__(self, rows: Rows, viewer: Viewer) -> None:
        """`rows`: of the desk."""
        self.rows, self.viewer = rows, viewer
        self.staff = viewer.role not in {None, Role.CUSTOMER} and viewer.ticket_id is None
        self.admin = self.staff and viewer.role is Role.ADMIN
        self.sees_all = self.staff and viewer.role in {Role.DIRECTOR, Role.ADMIN}
        self.departments = {row.department_id for row in rows.rows[models.Membership] if row.person_id == viewer.id}
        self.known: set[Any] = {viewer.id}  # keys of people, departments, categories and services

    def works_on(self, ticket: Any) -> bool:
        """Staff on what is their department's or given to them; directors and admins on all."""
        mine = ticket.department_id in self.departments or ticket.assignee_id == self.viewer.id
        return self.sees_all or (self.staff and mine)

    def reads_ratings(self, ticket: Any) -> bool:
        """Whoever asked or has it, and leads on what they work on."""
        viewer = self.viewer
        leads = self.staff and viewer.role.value >= Role.TEAM_LEAD.value and self.works_on(ticket)
        return bool(leads or ticket.requester_id == viewer.id or (self.staff and ticket.assignee_id == viewer.id))

    def sees(self, ticket: Any) -> bool:
        """Whoever works on it, asked, or watches. A session for one ticket sees that alone, as its requester."""
        viewer = self.viewer
        if viewer.ticket_id is not None:
            return bool(viewer.ticket_id == ticket.id and viewer.id == ticket.requester_id)
        watches = any(row.person_id == viewer.id for row in self.rows.of(models.Watcher, ticket))
        return self.works_on(ticket) or ticket.requester_id == viewer.id or watches

    def allowed(self) -> Iterable[str]:
        """All that may stand in an answer to them."""
        if self.viewer.role is not None:
            yield f"vwr_{self.viewer.id}"
        if self.staff:
            yield f"que_{self.viewer.id}"
        for ticket in self.rows.rows[models.Ticket]:
            if self.sees(ticket):
                yield from self.of_ticket(ticket, works=self.works_on(ticket))
        if self.viewer.role is not None and self.viewer.ticket_id is None:
            yield from self.of_notifications()
        yield from self.of_maintenance()
        yield from self.of_people()
        yield from self.of_tokens()
        yield from self.of_house()
        for letter in self.rows.rows[models.DeadLetter] if self.admin else []:
            yield from self.texts(letter, "name", "error")
        for entry in self.rows.rows[models.AuditEntry] if self.admin else []:
            yield from self.texts(entry, "action", "summary", "ip_address")
            yield from (
                word for change in entry.changes for said in change.values() for word in WORD.findall(said or "")
            )
        yield from self.of_articles()

    def of_ticket(self, ticket: Any, *, works: bool) -> Iterable[str]:
        """A ticket with all that hangs on it; what is internal for whoever works on it."""
        yield from self.texts(ticket, "number", "subject", "body", "body_html", "topic", "public_updated_at")
        if works:
            yield from self.texts(ticket, "tags", "updated_at")
            yield from (word for row in self.rows.of(models.SlaClock, ticket) for word in self.texts(row, *CLOCK))
        watching = {row.person_id for row in self.rows.of(models.Watcher, ticket)}
        self.known |= {row.id for row in self.rows.customers if row.id in watching}
        self.known |= {ticket.requester_id, ticket.assignee_id, ticket.triaged_by_id}
        self.known |= {ticket.department_id, ticket.category_id, ticket.service_id}
        for file in self.rows.of(models.Attachment, ticket):
            if works or not file.internal:
                self.known.add(file.uploaded_by_id)
                yield from self.texts(file, "filename", "key")
        for comment in self.rows.of(models.Comment, ticket):
            if works or not comment.internal:
                self.known.add(comment.author_id)
                yield from self.texts(comment, "body", "body_html")
        for escalation in self.rows.of(models.Escalation, ticket):
            self.known.add(escalation.acknowledged_by_id)
            self.known |= {escalation.escalated_by_id, *escalation.escalated_to_ids} if works else set()
            yield from self.texts(escalation, *(["reason"] if works else []))
        yield from self.of_history(ticket, works=works)

    def of_history(self, ticket: Any, *, works: bool) -> Iterable[str]:
        """How a ticket was resolved, and what happened to it."""
        resolutions = sorted(self.rows.of(models.Resolution, ticket), key=lambda row: row.id)
        for resolution in resolutions:
            yield from self.texts(resolution, "summary", "summary_html")
        for resolution in resolutions[-1:]:
            self.known.add(resolution.resolved_by_id)
            yield from self.texts(resolution, "feedback") if self.reads_ratings(ticket) else []
        for event in self.rows.of(models.Event, ticket):
            if works or event.public_seq is not None:
                yield from self.of_event(event, ticket, works=works)

    def of_event(self, event: Any, ticket: Any, *, works: bool) -> Iterable[str]:
        """What happened to a ticket."""
        self.known |= {UUID(key) for name, key in event.data.items() if key and name.endswith("_id")}
        self.known.add(event.actor_id)
        for comment in self.rows.rows[models.Comment]:  # which may stand on another ticket by now
            if event.data.get("comment_id") == str(comment.id):
                self.known.add(comment.author_id)
                yield from self.texts(comment, "body", "body_html")
        yield from self.texts(event, *(["seq"] if works else []))
        tags = ("initial_tags", "added_tags", "removed_tags")
        yield from (word for name in tags for word in event.data.get(name, []) if works)
        for name in ("added_watcher_ids", "removed_watcher_ids"):
            named = {UUID(key) for key in event.data.get(name, [])}
            self.known |= {row.id for row in self.rows.customers if row.id in named}
        private = dict.fromkeys(("StatusChanged", "EscalationEnded", "TicketClosed"), works)
        if (private | {"ResolutionConfirmed": self.reads_ratings(ticket)}).get(event.kind, True):
            written = (row for row in self.rows.rows[models.EventText] if row.event_id == event.id)
            yield from (word for row in written for word in self.texts(row, "text"))

    def of_notifications(self) -> Iterable[str]:
        """Their own, with the numbers of tickets that they may see no more; in the desk's own words, if it has some."""
        numbers = {row.id: str(row.number) for row in self.rows.rows[models.Ticket]}
        seen = {row.id for row in self.rows.rows[models.Ticket] if self.sees(row)}
        reviews = {row.id for row in self.rows.rows[models.ArticleReview]}
        own = [row for row in self.rows.rows[models.MessageTemplate] if row.use is models.MessageTemplateUse.IN_APP]
        for entry in self.rows.rows[models.Notification]:
            if entry.person_id == self.viewer.id:
                self.known.add(entry.actor_id)
                yield from self.texts(entry)
                yield from (
                    [numbers[entry.ticket_id]] if entry.ticket_id and "{number}" in TITLES.get(entry.kind, "") else []
                )
                for template in own if entry.ticket_id in seen or (entry.cause_id in reviews and self.staff) else []:
                    if template.kind is entry.kind and template.locale == "en" and self.reads_subject(entry):
                        yield from WORD.findall(template.subject + template.body)

    def reads_subject(self, entry: Any) -> bool:
        """Whether they may read the comment that they are told of, if it is of one."""
        if entry.kind not in ABOUT_COMMENTS:
            return True
        works = any(row.id == entry.ticket_id and self.works_on(row) for row in self.rows.rows[models.Ticket])
        named = {row.data.get("comment_id") for row in self.rows.rows[models.Event] if row.id == entry.cause_id}
        there = [row for row in self.rows.rows[models.Comment] if str(row.id) in named and row.body is not None]
        return any(works or not row.internal for row in there)

    def of_maintenance(self) -> Iterable[str]:
        """Notices in whose audience they are, or of which they were told; who did it for staff alone."""
        if self.viewer.role is None or self.viewer.ticket_id is not None:
            return
        every, mine = self.rows.rows, self.viewer.id
        subscribed = {row.service_id for row in every[models.ServiceSubscription] if row.person_id == mine}
        told = {row.notice_id for row in every[models.MaintenanceRecipient] if row.person_id == mine}
        for notice in every[models.MaintenanceNotice]:
            those = {row.service_id for row in every[models.MaintenanceService] if row.notice_id == notice.id}
            meant = {
                models.MaintenanceAudience.EVERYONE: True,
                models.MaintenanceAudience.STAFF: False,
                models.MaintenanceAudience.SUBSCRIBERS: bool(those & subscribed) or notice.id in told,
            }[notice.audience]
            if self.staff or meant:
                self.known |= those
                yield from self.texts(notice, "title", "message")
                for update in every[models.MaintenanceHappening]:
                    if update.notice_id == notice.id:
                        yield from self.texts(update, "message", "message_html")

    def of_people(self) -> Iterable[str]:
        """All for staff, for others those whom they met; how to reach them for staff and themselves."""
        for person in self.rows.rows[models.Person]:
            if self.staff or person.id in self.known:
                yield from self.texts(person, "name", "avatar_key")
                yield from self.texts(person, "last_seen_at") if self.staff else []
                if self.staff or person.id == self.viewer.id:
                    yield from self.texts(person, "email", "locale", "time_zone")
                places = (row for row in self.rows.rows[models.Membership] if row.person_id == person.id)
                self.known |= {row.department_id for row in places}

    def of_tokens(self) -> Iterable[str]:
        """Of tokens for programs their own, for admins all; none that was revoked, and never what opens anything."""
        for token in self.rows.rows[models.ApiToken]:
            own = token.owner_id == self.viewer.id and self.viewer.ticket_id is None
            if token.revoked_at is None and (own or self.admin):
                yield from self.texts(token, "name", "hint")

    def of_house(self) -> Iterable[str]:
        """What is in use; what was archived for staff, or as what they see is of it; departments for whoever signed in.

        Of departments even staff, but admins, see archived ones only where something leads there. Routing rules:
        admins. Calendars and policies: staff, and everyone the calendars of departments that they see.
        """
        for model in (models.Category, models.Service):
            for row in self.rows.rows[model]:
                if self.staff or row.archived_at is None or row.id in self.known:
                    self.known |= {row.department_id} if model is models.Category else set()
                    yield from self.texts(row, "name", "description")
        yield from self.of_rules()
        for department in self.rows.rows[models.Department]:
            in_use = self.viewer.role is not None and department.archived_at is None
            if self.admin or in_use or department.id in self.known:
                self.known.add(department.calendar_id)
                yield from [f"que_{department.id}"] if self.staff else []
                yield from self.texts(department, "name", "description")
        for calendar in self.rows.rows[models.BusinessCalendar]:
            if self.staff or calendar.id in self.known:
                yield from self.texts(calendar, "name")
                yield from (word for day in calendar.holidays for word in WORD.findall(day["name"]))

    def of_articles(self) -> Iterable[str]:
        """What is published for them; for staff all, with drafts and what was."""
        for category in self.rows.rows[models.ArticleCategory]:
            if self.staff or category.archived_at is None:
                yield from self.texts(category, "slug", "name", "description")
        seen = {models.ArticleAudience.PUBLIC}
        if self.viewer.role is not None:
            seen.add(models.ArticleAudience.CUSTOMERS)
        for article in self.rows.rows[models.Article]:
            if self.staff or (article.status is models.ArticleStatus.PUBLISHED and article.audience in seen):
                yield from self.texts(article, "slug", "title", "summary", "body", "body_html", "tags")
                yield from self.of_readers(article)
        for version in self.rows.rows[models.ArticleVersion] if self.staff else []:
            yield from self.texts(version, "title", "summary", "body", "body_html", "note")

    def of_readers(self, article: Any) -> Iterable[str]:
        """What was said of an article, with its reviews: staff; and of it what is their own, for visitors the last."""
        every = self.rows.rows
        said = [row for row in every[models.ArticleFeedback] if row.article_id == article.id]
        own = sorted((row for row in said if row.reader_id == self.viewer.id), key=lambda row: row.version_number)
        own = own if self.viewer.ticket_id is None else []  # it reads what is of its ticket
        for row in said if self.staff else own[-1:] if self.viewer.role is None else own:
            yield from self.texts(row, "comment")
        for review in every[models.ArticleReview] if self.staff else []:
            yield from self.texts(review, "note", "outcome") if review.article_id == article.id else []

    def of_rules(self) -> Iterable[str]:
        """Policies, rules and templates: staff, of templates replies alone, and of all departments or their own."""
        if not self.staff:
            return
        for rule in self.rows.rows[models.EscalationRule]:
            self.known |= set(rule.department_ids)
            yield from self.texts(rule, "name")
        for template in self.rows.rows[models.MessageTemplate]:
            reply = template.use is models.MessageTemplateUse.REPLY
            ours = template.department_id is None or self.sees_all or template.department_id in self.departments
            if self.admin or (reply and ours):
                self.known.add(template.department_id)
                yield from self.texts(template, "name", "subject", "body")
        for view in self.rows.rows[models.TicketView]:
            shared = view.department_id is not None and (self.sees_all or view.department_id in self.departments)
            if shared or view.owner_id == self.viewer.id:
                self.known.add(view.department_id)
                yield from self.texts(view, "name")
        for policy in self.rows.rows[models.SlaPolicy]:
            yield from self.texts(policy, "name", "description")
        for rule in self.rows.rows[models.RoutingRule] if self.admin else []:
            yield from self.texts(rule, "name", "words", "email_domains", "add_tags")

    def texts(self, row: Any, *names: str) -> Iterable[str]:
        """What in these attributes may be found in an answer again, and the row's id."""
        if getattr(row, "id", None) in self.rows.ids:
            yield self.rows.ids[row.id]
        for name in names:
            value = getattr(row, name)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str):
                    yield from WORD.findall(item)
                elif isinstance(item, dt.datetime):
                    yield stamp(item.isoformat())
                elif item is not None:
                    yield str(item)


def stamp(moment: str) -> str:
    """A moment in UTC however it is written, to the millisecond."""
    seconds, _, fraction = moment[:26].partition(".")
    return f"{seconds[:19].replace(' ', 'T')}.{fraction:0<3.3}"
