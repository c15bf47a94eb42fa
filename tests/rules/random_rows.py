"""The rows of a desk at random, of every kind, with a word of its own in every text."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import models
from models import Role, TicketChannel, TicketPriority, TicketStatus

START = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
# What text may hold, and what could break out of where it stands: JSON, SQL, cursors, markers of computed leaves.
ODDITIES = ('"', "\\", "'", "|| ''", ",", ":", "{}", "%s", "\n", "é", "🙂", "\u2028", "\x010:\x01", "null", "<b>", "$1")
WAYS = [(kind, channel) for kind in models.NotificationKind for channel in models.MessageChannel]
PREFIXES = {
    models.Ticket: "tkt",
    models.Person: "per",
    models.Department: "dep",
    models.Category: "cat",
    models.Service: "svc",
    models.MaintenanceNotice: "mnt",
    models.MaintenanceHappening: "mup",
    models.RoutingRule: "rul",
    models.SlaPolicy: "slp",
    models.BusinessCalendar: "cal",
    models.EscalationRule: "esr",
    models.Escalation: "esc",
    models.MessageTemplate: "tpl",
    models.TicketView: "tvw",
    models.Notification: "ntf",
    models.Event: "evt",
    models.Attachment: "att",
    models.Comment: "com",
    models.AuditEntry: "aud",
    models.DeadLetter: "ded",
    models.ApiToken: "tok",
    models.Article: "art",
    models.ArticleCategory: "arc",
    models.ArticleVersion: "arv",
    models.ArticleFeedback: "arf",
    models.ArticleReview: "rev",
}


TYPES: dict[Any, str] = {models.MaintenanceHappening: "MaintenanceUpdate"}  # where they are called otherwise in the API


VISITOR = UUID("01900000-0000-4000-8000-000000000001")  # somebody without an account


class Rows:
    """The rows by model."""

    def __init__(self, seed: int) -> None:
        """The same seed gives the same rows."""
        self.luck = Random(seed)
        self.rows: dict[type[models.Base], list[Any]] = defaultdict(list)
        self.ids: dict[UUID, str] = {}
        self.kinds: dict[str, Any] = {}  # types in the API by id
        self.words = 0
        self.seq = 7_000_000
        self._house()
        self._people()
        self._maintenance()
        self._rules()
        self._policies()
        for number in range(40):
            self._ticket(number)
        self._notifications()
        self._together()
        self._views()
        self._figures()
        self._audit()
        self._articles()

    def _figures(self) -> None:
        """Sums and histograms that need not fit the tickets: whoever reads them reads what is there."""
        luck, nobody = self.luck, UUID(int=0)
        keys = [
            (department.id, luck.choice(self.staff).id, luck.choice(self.rows[models.Category]).id, rank)
            for department in self.rows[models.Department]
            for rank in (1, 2, 3)
        ]
        masks = {0: (0, 0, 0, 0), 1: (1, 0, 0, 0), 2: (1, 1, 0, 0), 3: (1, 0, 1, 0), 4: (1, 0, 0, 1), 5: (1, 1, 1, 1)}
        seen = set()
        for split, mask in masks.items():
            for key in keys:
                start = START + dt.timedelta(minutes=15 * luck.randrange(40))
                parts = [
                    part if kept else (0 if n == 3 else nobody)
                    for n, (part, kept) in enumerate(zip(key, mask, strict=True))
                ]
                names = ("department_id", "agent_id", "category_id", "priority")
                place = dict(zip(names, parts, strict=True)) | {"split": split, "grain": 0, "start": start}
                if (mark := tuple(place.values())) in seen:
                    continue
                seen.add(mark)
                numbers: dict[str, Any] = {name: luck.randrange(9) for name in models.MEASURES}
                bucket = luck.randrange(500)
                numbers |= {name: 10 ** (bucket // width * 8) for name, (_, width) in models.HISTOGRAMS.items()}
                self.add(models.Sums, **place, **numbers)

    def add(self, model: type[models.Base], **values: Any) -> Any:
        """A row; one with a key of its own when the model has it."""
        if model in PREFIXES or model in {models.Message, models.SlaVersion, models.Resolution}:
            bits = self.luck.getrandbits(128)
            values = {"id": UUID(int=bits & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62)} | values
        row = SimpleNamespace(**values)
        self.rows[model].append(row)
        if model in PREFIXES:
            self.ids[row.id] = f"{PREFIXES[model]}_{row.id}"
            self.kinds[self.ids[row.id]] = (
                values.get("kind") if model is models.Event else TYPES.get(model, model.__name__)
            )
        return row

    def word(self, before: str = "") -> str:
        """Text with a word that stands nowhere else."""
        self.words += 1
        return f"{before}zq{self.words:04}q"

    def text(self) -> str:
        """Such a word among all that may stand in text."""
        return f"{self.word()} {''.join(self.luck.choices(ODDITIES, k=2))}"

    def zone(self, role: Role) -> str:
        """A word that tells whose it is; of staff, whose figures are cut by it, a zone that there is."""
        word = self.word()
        return word if role is Role.CUSTOMER else "Asia/Kolkata"

    def maybe(self, value: Any, chance: float = 0.5) -> Any:
        """The value, or None."""
        return value if self.luck.random() < chance else None

    def moment(self) -> dt.datetime:
        """Some moment, to the millisecond; many are the same."""
        return START + dt.timedelta(hours=self.luck.randrange(12), milliseconds=self.luck.choice([0, 1, 999]))

    def own_moment(self) -> dt.datetime:
        """A moment that is nobody else's."""
        self.words += 1
        return START + dt.timedelta(days=100, seconds=self.words, milliseconds=self.luck.randrange(1000))

    def _house(self) -> None:
        for number in range(4):
            self.add(
                models.BusinessCalendar,
                name=self.text(),
                time_zone=self.luck.choice(["UTC", "Asia/Kolkata"]),
                hours=[{"weekday": day, "opens": 0, "closes": 1440} for day in range(0 if number % 2 else 7)],
                holiday_region=self.maybe("DE-BY"),
                holidays=[{"date": f"2026-03-{day:02}", "name": self.text()} for day in range(1, number + 1)],
            )
        for number in range(5):
            self.add(
                models.Department,
                name=self.word("ABCAB"[number]),
                description=self.maybe(self.text()),
                assignment=self.luck.choice(list(models.AssignmentMethod)),
                agent_capacity=self.maybe(7),
                calendar_id=self.rows[models.BusinessCalendar][number].id if number < 3 else None,
                archived_at=self.moment() if number == 4 else None,
            )
        for number in range(7):
            self.add(
                models.Category,
                name=self.text(),
                description=self.maybe(self.text()),
                department_id=self.rows[models.Department][number % 3 if number < 6 else 4].id,
                default_priority=self.luck.choice(list(TicketPriority)),
                is_other=number == 2,
                position=number // 2,
                archived_at=self.moment() if number >= 5 else None,
            )
        for number in range(5):
            self.add(
                models.Service,
                name=self.word("BAABC"[number]),
                description=self.maybe(self.text()),
                archived_at=self.moment() if number == 3 else None,
            )

    def _people(self) -> None:
        self.named: dict[str, Any] = {}
        roles = {
            "customer": Role.CUSTOMER, "watcher": Role.CUSTOMER, "stranger": Role.CUSTOMER, "second": Role.CUSTOMER,
            "third": Role.CUSTOMER, "fourth": Role.CUSTOMER, "agent": Role.AGENT, "colleague": Role.AGENT,
            "billing": Role.AGENT, "both": Role.AGENT, "outside": Role.AGENT, "gone": Role.AGENT,
            "lead": Role.TEAM_LEAD, "manager": Role.MANAGER, "director": Role.DIRECTOR, "admin": Role.ADMIN,
        }  # fmt: skip
        places = {"agent": [0], "colleague": [0, 3, 4], "billing": [1], "both": [0, 1], "gone": [0], "lead": [0]}
        places |= {"manager": [1, 2], "admin": [2]}
        for name, role in roles.items():
            person = self.add(
                models.Person,
                name=f"{self.luck.choice('AB')}{self.text()}",
                email=self.word() + "@example.com",
                role=role,
                locale=self.maybe(self.luck.choice([self.word(), "de", "fr-CA"])),
                time_zone=self.maybe(self.zone(role)),
                password_hash=self.word("hash "),
                avatar_key=(picture := self.maybe(self.word())),
                avatar_type=picture and "image/png",
                avatar_bytes=picture and 7,
                active=name != "gone",
                last_seen_at=self.maybe(self.own_moment()),
                created_at=self.moment(),
            )
            self.named[name] = person
            for number in range(2 if role is not Role.CUSTOMER else 0):
                self.add(
                    models.ApiToken,
                    owner_id=person.id,
                    name=self.text(),
                    hint=self.word(),
                    digest=self.word("digest "),
                    scope=self.luck.choice(list(models.ApiTokenScope)),
                    created_at=self.moment(),
                    last_used_at=self.maybe(self.moment()),
                    expires_at=self.moment(),
                    revoked_at=self.maybe(self.moment(), 0.3) if number else None,
                )
            for place in places.get(name, []):
                department = self.rows[models.Department][place]
                self.add(models.Membership, person_id=person.id, department_id=department.id)
        self.customers = [row for row in self.rows[models.Person] if row.role is Role.CUSTOMER]
        self.staff = [row for row in self.rows[models.Person] if row.role is not Role.CUSTOMER]
        self.askers = [row for name, row in self.named.items() if row.role is Role.CUSTOMER and name != "stranger"]

    def _rules(self) -> None:
        luck = self.luck
        for number in range(4):
            self.add(
                models.RoutingRule,
                name=self.text(),
                position=number // 2,
                active=number != 1,
                category_ids=[row.id for row in luck.sample(self.rows[models.Category], number)],
                priorities=[each.name for each in luck.sample(list(TicketPriority), number % 3)],
                service_ids=[row.id for row in luck.sample(self.rows[models.Service], number)],
                words=[self.text() for _ in range(number % 3)],
                email_domains=[self.word() for _ in range(number % 2)],
                department_id=self.maybe(luck.choice(self.rows[models.Department]).id),
                assignee_id=self.maybe(luck.choice(self.staff).id),
                priority=self.maybe(luck.choice(list(TicketPriority))),
                add_tags=[self.word() for _ in range(2 - number % 3)],
            )
        for number in range(5):
            self.add(
                models.EscalationRule,
                name=self.text(),
                active=number != 1,
                trigger=luck.choice(list(models.EscalationTrigger)),
                after_seconds=luck.choice([0, 60, 3600]),
                level=luck.choice(list(models.EscalationLevel)),
                priorities=[each.name for each in luck.sample(list(TicketPriority), number % 3)],
                department_ids=[row.id for row in luck.sample(self.rows[models.Department], number % 4)],
                changed_at=self.moment(),
            )

        for number in range(8):
            use = list(models.MessageTemplateUse)[number % 3]
            reply = use is models.MessageTemplateUse.REPLY
            self.add(
                models.MessageTemplate,
                name=self.text(),
                use=use,
                kind=None if reply else list(models.NotificationKind)[number],
                locale=luck.choice(["en", "pt-BR"]),
                subject=None if reply else self.text(),
                body=f"{self.text()} {{{{name}}}}",
                department_id=self.rows[models.Department][number // 3].id if reply and number else None,
                updated_at=self.moment(),
            )

    def _policies(self) -> None:
        luck = self.luck
        for number in range(4):
            policy = self.add(
                models.SlaPolicy,
                name=self.text(),
                description=self.maybe(self.text()),
                position=number // 2,
                active=number != 1,
                department_ids=[row.id for row in luck.sample(self.rows[models.Department], number)],
                category_ids=[row.id for row in luck.sample(self.rows[models.Category], number)],
            )
            for version in range(number % 2 + 1):
                asked = luck.sample(list(TicketPriority), version + 1)
                self.add(
                    models.SlaVersion,
                    policy_id=policy.id,
                    number=version + 1,
                    targets={each.name: {"FIRST_RESPONSE": self.maybe(60), "RESOLUTION": 600} for each in asked},
                    calendar_id=self.maybe(luck.choice(self.rows[models.BusinessCalendar]).id),
                    pauses_on_hold=luck.random() < 0.5,
                    created_at=self.moment(),
                )

    def _clocks(self, ticket: Any) -> None:
        for target in self.luck.sample(list(models.SlaTargetKind), self.luck.randrange(3)):
            state = self.luck.choice(["runs", "rests", "done", "cancelled"])
            self.add(
                models.SlaClock,
                ticket_id=ticket.id,
                target=target,
                target_seconds=600,
                calendar_id=None,
                used_seconds=self.luck.choice([0, 60, 700]),
                running_since=self.moment() if state == "runs" else None,
                paused_at=self.own_moment() if state == "rests" else None,
                due_at=self.own_moment() if state in {"runs", "done"} else None,
                warned_at=None,
                breached_at=self.maybe(self.own_moment()),
                completed_at=self.own_moment() if state == "done" else None,
                cancelled_at=self.moment() if state == "cancelled" else None,
            )

    def _ticket(self, number: int) -> None:
        luck = self.luck
        category = luck.choice(self.rows[models.Category])
        priority, triage = luck.choice(list(TicketPriority)), luck.random() < 0.4
        pending = luck.random() < 0.5
        ticket = self.add(
            models.Ticket,
            number=5_000_000 + number,
            subject=self.text(),
            body=self.text(),
            body_html=self.text(),
            status=list(TicketStatus)[number % 5],
            priority=priority,
            priority_rank=priority.value,
            category_id=category.id,
            department_id=luck.choice(self.rows[models.Department][: 5 if number % 9 == 0 else 3]).id,
            requester_id=luck.choice(self.staff if number % 13 == 0 else self.askers).id,
            assignee_id=self.maybe(luck.choice(self.staff).id, 0.6),
            service_id=self.maybe(luck.choice(self.rows[models.Service]).id),
            tags=[self.word(luck.choice(["", 'a"', "b,"])) for _ in range(number % 4)],
            channel=list(TicketChannel)[number % 4],
            topic=self.text() if triage else None,
            triage_pending=pending if triage else None,
            suggested_category_id=self.maybe(luck.choice(self.rows[models.Category]).id),
            triaged_at=self.moment() if triage and not pending else None,
            triaged_by_id=luck.choice(self.staff).id if triage and not pending else None,
            created_at=self.moment(),
            updated_at=None,
            public_updated_at=self.moment(),
            last_seq=0,
            public_seq=0,
            first_responded_at=self.maybe(self.moment()),
            waiting_since=self.maybe(self.moment()),
            resumes_at=self.maybe(self.moment()),
            closed_at=self.maybe(self.moment()),
            sla_version_id=self.maybe(luck.choice(self.rows[models.SlaVersion]).id, 0.7),
            due_at=self.moment() if number % 5 in {0, 2} and number % 3 else None,  # only while it is open or on hold
            breached_at=self.maybe(self.moment()),
            escalation_rank=0,
            resolved_at=self.maybe(self.moment()),
            rating=self.maybe(luck.randint(1, 5), 0.6),
        )
        if ticket.sla_version_id:
            self._clocks(ticket)
        # Something internal came last in some of them, at a moment that only those who work on it may learn.
        ticket.updated_at = self.own_moment() if number % 3 else ticket.public_updated_at
        watchers = {luck.choice(self.rows[models.Person]).id for _ in range(number % 4)}
        if number % 5 == 0:
            watchers |= {self.named["watcher"].id, self.named["outside"].id}
        for person_id in sorted(watchers):
            self.add(models.Watcher, ticket_id=ticket.id, person_id=person_id)
        comments = [self._comment(ticket) for _ in range(luck.randrange(5))]
        self._history(ticket, comments)
        for place in range(luck.randrange(4)):
            comment = luck.choice([None, *comments])
            self.add(
                models.Attachment,
                ticket_id=ticket.id,
                comment_id=comment.id if comment else None,
                filename=self.text(),
                content_type=luck.choice(["text/plain", "image/png"]),
                size_bytes=luck.randrange(1000),
                key=self.word(f"{place}/"),
                internal=comment.internal if comment else luck.random() < 0.4,
                uploaded_by_id=self.maybe(luck.choice(self.rows[models.Person]).id, 0.7),
                created_at=self.moment(),
            )

        self._escalations(ticket)
        self._words(ticket, ticket.id, ticket.body)
        self._words(ticket, ticket.id, ", ".join(ticket.tags), internal=True)

    def _escalations(self, ticket: Any) -> None:
        luck = self.luck
        count = luck.randrange(4)
        for place in range(count):
            in_force = place == count - 1 and luck.random() < 0.5
            level = luck.choice(list(models.EscalationLevel))
            ticket.escalation_rank = level.value if in_force else 0
            acknowledged = luck.random() < 0.5
            escalation = self.add(
                models.Escalation,
                ticket_id=ticket.id,
                level=level,
                reason=self.maybe(self.text(), 0.8),
                rule_id=self.maybe(luck.choice(self.rows[models.EscalationRule]).id),
                escalated_by_id=self.maybe(luck.choice(self.staff).id),
                escalated_to_ids=[row.id for row in luck.sample(self.staff, luck.randrange(3))],
                at=self.moment(),
                acknowledged_at=self.moment() if acknowledged else None,
                acknowledged_by_id=luck.choice(self.staff).id if acknowledged else None,
                ended_at=None if in_force else self.moment(),
            )
            escalated = {"escalation_id": str(escalation.id)}
            self._event(ticket, "TicketEscalated", escalated | {"level": level.name})
            if acknowledged:
                self._event(ticket, "EscalationAcknowledged", escalated)
            if not in_force:
                self._reason(self._event(ticket, "EscalationEnded", escalated), "end_reason")

    def _words(self, ticket: Any, source_id: UUID, text: str, *, internal: bool = False) -> None:
        words = [ticket.subject, text]
        self.add(models.TicketWords, source_id=source_id, internal=internal, ticket_id=ticket.id, words=words)

    def _comment(self, ticket: Any) -> Any:
        luck = self.luck
        there, internal = luck.random() < 0.9, luck.random() < 0.4  # it may have been deleted
        comment = self.add(
            models.Comment,
            ticket_id=ticket.id,
            author_id=self.maybe(luck.choice(self.staff if internal else self.rows[models.Person]).id, 0.9),
            body=self.text() if there else None,
            body_html=self.text() if there else None,
            internal=internal,
            channel=luck.choice(list(TicketChannel)),
            created_at=self.moment(),
            edited_at=self.maybe(self.moment()),
            deleted_at=None if there else self.moment(),
        )
        if there:
            self._words(ticket, comment.id, comment.body, internal=internal)
        return comment

    def _history(self, ticket: Any, comments: list[Any]) -> None:
        luck = self.luck
        submitted = {
            "initial_priority": luck.choice(list(TicketPriority)).name,
            "initial_category_id": str(luck.choice(self.rows[models.Category]).id),
            "initial_requester_id": str(luck.choice(self.customers).id),
            "initial_service_id": self.maybe(str(luck.choice(self.rows[models.Service]).id)),
            "initial_tags": [self.word() for _ in range(luck.randrange(3))],
            "channel": luck.choice(list(TicketChannel)).name,
        }
        first = self._event(ticket, "TicketSubmitted", submitted)
        if luck.random() < 0.9:  # it may have been erased
            self.add(models.EventText, event_id=first.id, name="subject", text=self.text())
        for comment in comments:
            self._event(ticket, "CommentAdded", {"comment_id": str(comment.id)}, internal=comment.internal)
            if not comment.internal and luck.random() < 0.5:
                self._mail(ticket, comment)
        for _ in range(luck.randrange(8)):
            match luck.randrange(6):
                case 0:
                    departments = self.rows[models.Department]
                    rules = self.rows[models.RoutingRule]
                    routed = {
                        "from_department_id": self.maybe(str(luck.choice(departments).id)),
                        "to_department_id": str(luck.choice(departments).id),
                        "rule_id": self.maybe(str(luck.choice(rules).id), 0.7),
                    }
                    self._event(ticket, "TicketRouted", routed)
                case 1:
                    names = ("from_assignee_id", "to_assignee_id")
                    assigned = {name: self.maybe(str(luck.choice(self.staff).id)) for name in names}
                    self._event(ticket, "TicketAssigned", assigned)
                case 2:
                    resumes = self.maybe(self.moment().isoformat())
                    states = {name: luck.choice(list(TicketStatus)).name for name in ("from_status", "to_status")}
                    self._reason(self._event(ticket, "StatusChanged", states | {"resumes_at": resumes}))
                case 3:
                    self._reason(self._event(ticket, "TicketReopened", {}))
                case 4:
                    (self._sla_event if self.luck.random() < 0.5 else self._ended)(ticket)
                case _:
                    self._mail(ticket)
        self._changes(ticket, comments)

    def _changes(self, ticket: Any, comments: list[Any]) -> None:
        """What can change on a ticket, one or the other."""
        luck, staff = self.luck, self.staff

        def one(model: type[models.Base]) -> str:
            return str(luck.choice(self.rows[model]).id)

        urgency = {name: luck.choice(list(TicketPriority)).name for name in ("from_priority", "to_priority")}
        category = {name: one(models.Category) for name in ("from_category_id", "to_category_id")}
        service = {name: self.maybe(one(models.Service)) for name in ("from_service_id", "to_service_id")}
        asker = {name: str(luck.choice(self.customers).id) for name in ("from_requester_id", "to_requester_id")}
        linked = {"link_kind": luck.choice(list(models.TicketLinkKind)).name, "other_id": one(models.Ticket)}
        happened: list[tuple[str, dict[str, Any], bool]] = [
            ("TicketTriaged", {"category_id": one(models.Category)}, True),
            ("PriorityChanged", urgency, False),
            ("CategoryChanged", category, False),
            ("SubjectChanged", {}, False),
            ("ServiceChanged", service, False),
            ("RequesterChanged", asker, False),
            ("TagsChanged", {"added_tags": [self.word()], "removed_tags": [self.word()]}, True),
            ("TicketMerged", {"other_id": one(models.Ticket), "took_in": luck.random() < 0.5}, False),
            ("TicketLinked", linked, True),
            ("TicketUnlinked", linked, True),
        ]
        theirs, ours = [str(luck.choice(self.customers).id)], [str(luck.choice(staff).id)]
        happened.append(("WatchersChanged", {"added_watcher_ids": theirs + ours, "removed_watcher_ids": theirs}, False))
        happened.append(("WatchersChanged", {"added_watcher_ids": ours, "removed_watcher_ids": []}, True))
        for comment in comments:
            happened.append(("CommentEdited", {"comment_id": str(comment.id)}, comment.internal))
            gone = {"comment_id": str(comment.id), "attachment_id": None}
            happened.append(("CommentDeleted", gone, comment.internal))
        for kind, data, internal in luck.sample(happened, 3):
            event = self._event(ticket, kind, data, internal=internal)
            if kind == "SubjectChanged":
                for name in ("from_subject", "to_subject"):
                    self.add(models.EventText, event_id=event.id, name=name, text=self.text())

    def _views(self) -> None:
        """Saved lists, some of them shared."""
        luck = self.luck
        filters = [{}, {"statuses": ["OPEN", "PENDING"]}, {"mine": True}, {"priorities": ["LOW"]}, {"ratings": [1, 5]}]
        for number, person in enumerate(self.staff):
            order = luck.choice([(None, None), ("CREATED_AT", "ASC"), ("PRIORITY", "DESC")])
            self.add(
                models.TicketView,
                owner_id=person.id,
                department_id=luck.choice(self.rows[models.Department]).id if number % 2 else None,
                name=self.text(),
                filter=luck.choice(filters),
                order_field=order[0],
                order_direction=order[1],
                position=number % 3,
            )

    def _together(self) -> None:
        """Which tickets belong together, who is on their pages, and who takes new ones."""
        luck, tickets = self.luck, self.rows[models.Ticket]
        pairs = {frozenset((one.id, other.id)) for one, other in (luck.sample(tickets, 2) for _ in range(30))}
        for one, other in map(sorted, pairs):
            for here, there in ((one, other), (other, one)):
                kind = models.TicketLinkKind.RELATED
                self.add(models.TicketLink, ticket_id=here, other_id=there, kind=kind, created_at=self.moment())
        for place, ticket in enumerate(tickets):
            closed = ticket.status is TicketStatus.CLOSED and place > 0
            ticket.merged_into_id = self.maybe(luck.choice(tickets[:place]).id) if closed else None
            self._taken_in(ticket)
            for person in luck.sample(self.staff, luck.randrange(3)):
                self.add(
                    models.Presence,
                    ticket_id=ticket.id,
                    person_id=person.id,
                    activity=luck.choice(list(models.PresenceActivity)),
                    arrived_at=self.moment(),
                    since=self.moment(),
                    expires_at=START + dt.timedelta(days=luck.choice([-1, 10_000])),
                )
        for person in self.staff[::2]:
            self.add(
                models.Availability,
                person_id=person.id,
                status=luck.choice(list(models.AvailabilityStatus)),
                until=self.maybe(START + dt.timedelta(days=luck.choice([-1, 10_000]))),
                capacity=self.maybe(5),
                last_assigned_at=self.maybe(self.moment()),
            )

    def _taken_in(self, ticket: Any) -> None:
        """What was said on a ticket that was merged stands on the other one, and in the history of this."""
        with_files = {row.comment_id for row in self.rows[models.Attachment]}
        moved = {
            row.id
            for row in self.rows[models.Comment]
            if ticket.merged_into_id and row.ticket_id == ticket.id and row.id not in with_files
        }
        for row in self.rows[models.Comment]:
            row.ticket_id = ticket.merged_into_id if row.id in moved else row.ticket_id
        for row in self.rows[models.TicketWords]:
            row.ticket_id = ticket.merged_into_id if row.source_id in moved else row.ticket_id

    def _audit(self) -> None:
        """Who changed what, who was let in, and what was given up."""
        subjects = [models.Person, models.BusinessCalendar, models.RoutingRule, models.MessageTemplate, None]
        for number in range(12):
            model = subjects[number % len(subjects)]
            told = {"field": self.word(), "before": self.maybe(self.text()), "after": self.maybe(self.text())}
            self.add(
                models.AuditEntry,
                at=self.moment(),
                actor_id=self.maybe(self.luck.choice(self.staff).id),
                action=self.luck.choice(["x", self.word()]),
                subject_table=model and model.__tablename__,
                subject_id=model and self.luck.choice(self.rows[model]).id,
                summary=self.text(),
                changes=[told] * (number % 3),
                ip_address=self.maybe(self.word()),
            )
        for number in range(6):
            settled = number % 3 > 0
            self.add(
                models.DeadLetter,
                kind=list(models.DeadLetterKind)[number % 2],
                source_id=self.luck.choice(self.rows[models.Ticket]).id,
                name=self.word(),
                recipient_id=self.luck.choice(self.customers).id if number % 2 else None,
                ticket_id=self.maybe(self.luck.choice(self.rows[models.Ticket]).id),
                attempt_count=number,
                error=self.text(),
                first_tried_at=self.moment(),
                failed_at=self.moment(),
                status=list(models.DeadLetterStatus)[number % 3],
                settled_by_id=self.luck.choice(self.staff).id if settled else None,
                settled_at=self.moment() if settled else None,
            )

    def _articles(self) -> None:
        """Articles in any state, in categories of which the last is archived and empty."""
        luck = self.luck
        for number in range(5):
            name = self.word("CABAC"[number])
            above = self.rows[models.ArticleCategory][number - 2] if number in {2, 3} else None
            self.add(
                models.ArticleCategory,
                slug=name.lower(),
                name=name,
                description=self.maybe(self.text()),
                parent_id=above.id if above else None,
                ticket_category_ids=[row.id for row in luck.sample(self.rows[models.Category], number)],
                position=number,
                path=f"{above.path if above else ''}{number:04}.",
                archived_at=self.moment() if number == 4 else None,
            )
        self.add(models.ArticleLanguage, language="simple")
        for number in range(16):
            self._article(number)
        self._opinions()

    def _opinions(self) -> None:
        """What readers said of articles, how often they opened them, and reviews, of which people were told."""
        luck, readers = self.luck, [*(row.id for row in self.rows[models.Person]), VISITOR]
        for article in self.rows[models.Article]:
            self.add(
                models.ArticleStanding,
                article_id=article.id,
                views=luck.randrange(4),
                helpful=luck.randrange(3),
                unhelpful=luck.randrange(2),
            )
            for number in range(1, article.number + 1):
                start = START + dt.timedelta(minutes=15 * luck.randrange(4))
                views = {"article_id": article.id, "version_number": number, "count": luck.randrange(1, 9)}
                self.add(models.ArticleViews, start=start, **views)
                for reader_id in (VISITOR, *luck.sample(readers[:-1], 5)):
                    self._opinion(article, number, reader_id)
            self._reviews(article)
        for entry, review in zip(self.rows[models.Notification][::5], self.rows[models.ArticleReview], strict=False):
            entry.kind, entry.cause_id, entry.ticket_id = models.NotificationKind.REVIEW_REQUESTED, review.id, None

    def _opinion(self, article: Any, number: int, reader_id: UUID) -> None:
        luck = self.luck
        saved = luck.random() < 0.2
        self.add(
            models.ArticleFeedback,
            article_id=article.id,
            version_number=number,
            reader_id=reader_id,
            person_id=None if reader_id == VISITOR else reader_id,
            helpful=luck.choice([True, False, None]),
            rating=self.maybe(luck.randint(1, 5)),
            comment=self.text(),
            badness=luck.randrange(6),
            source=luck.choice(list(models.ArticleFeedbackSource)),
            at=self.moment(),
            saved_at=self.moment() if saved else None,
            saved_category_id=UUID(int=0) if saved else None,
            saved_department_id=UUID(int=0) if saved else None,
        )

    def _reviews(self, article: Any) -> None:
        luck = self.luck
        for status in luck.sample(list(models.ArticleReviewStatus), luck.randrange(3)):
            is_open = status is models.ArticleReviewStatus.OPEN
            self.add(
                models.ArticleReview,
                article_id=article.id,
                reason=luck.choice(list(models.ArticleReviewReason)),
                note=self.maybe(self.text()),
                status=status,
                since=self.moment(),
                requested_at=self.moment(),
                requested_by_id=self.maybe(luck.choice(self.staff).id),
                assignee_id=self.maybe(luck.choice(self.staff).id),
                closed_at=None if is_open else self.moment(),
                closed_by_id=None if is_open else luck.choice(self.staff).id,
                outcome=None if is_open else self.maybe(self.text()),
            )

    def _article(self, number: int) -> None:
        luck = self.luck
        status = list(models.ArticleStatus)[number % 3]
        audience = luck.choice(list(models.ArticleAudience))
        texts = [{name: self.text() for name in ("title", "summary", "body", "body_html")} for _ in range(3)]
        published = 0 if status is models.ArticleStatus.DRAFT else luck.choice([1, 2])
        drafted = published == 0 or luck.random() < 0.5
        article = self.add(
            models.Article,
            **texts[max(published - 1, 0)],
            slug=self.word("a-"),
            category_id=luck.choice(self.rows[models.ArticleCategory][:4]).id,
            position=number // 2,
            tags=[self.word(), "tagged"][: luck.randrange(3)],
            status=status,
            audience=audience,
            locale=luck.choice(["en", "de-AT"]),
            language="simple",
            author_id=luck.choice(self.staff).id,
            from_ticket_id=None,
            number=published,
            published_at=self.moment() if published else None,
            updated_at=self.moment(),
            publishes_at=self.maybe(self.moment()),
            publishes_by_id=None,
            publishes_note=None,
            publishes_closing=True,
        )
        self.add(models.ArticleSlug, slug=article.slug, article_id=article.id)
        for place in range(published + drafted):
            out = place < published
            self.add(
                models.ArticleVersion,
                article_id=article.id,
                number=place + 1,
                **texts[place],
                edited_by_id=luck.choice(self.staff).id,
                edited_at=self.moment(),
                published_by_id=luck.choice(self.staff).id if out else None,
                published_at=self.moment() if out else None,
                note=self.maybe(self.text()) if out else None,
            )
        words = dict.fromkeys([*re.findall(r"zq\d+q", article.title), *article.tags, "tagged"])
        heading = " ".join(f"'{word}':{place}" for place, word in enumerate(words, start=1))
        found_by = models.ArticleAudience.STAFF if status is not models.ArticleStatus.PUBLISHED else audience
        self.add(models.ArticleWords, article_id=article.id, audience=found_by, heading=heading, words=heading)
        for word in words:
            count = next(
                (row for row in self.rows[models.ArticleTerm] if (row.word, row.audience) == (word, found_by)), None
            )
            if count is None:
                self.add(models.ArticleTerm, word=word, audience=found_by, articles=1)
            else:
                count.articles += 1

    def _sla_event(self, ticket: Any) -> None:
        if self.luck.random() < 0.5:
            missed = {"target": self.luck.choice(list(models.SlaTargetKind)).name, "due_at": START.isoformat()}
            self._event(ticket, "SlaBreached", missed, internal=True)
            return
        names, rows = ("from_policy_id", "to_policy_id"), self.rows[models.SlaPolicy]
        policies = {name: self.maybe(str(self.luck.choice(rows).id)) for name in names}
        self._event(ticket, "SlaPolicyChanged", policies, internal=True)

    def _reason(self, event: Any, name: str = "reason") -> None:
        if self.luck.random() < 0.7:
            self.add(models.EventText, event_id=event.id, name=name, text=self.text())

    def _ended(self, ticket: Any) -> None:
        expired = {"expired": self.luck.random() < 0.5}
        self._reason(self._event(ticket, "TicketClosed", expired), "close_reason")
        if expired["expired"]:
            return
        luck, summary = self.luck, self.maybe(self.text())
        resolution = self.add(
            models.Resolution,
            ticket_id=ticket.id,
            summary=summary,
            summary_html=summary and self.text(),
            resolved_at=self.moment(),
            resolved_by_id=self.maybe(luck.choice(self.staff).id),
            assignee_id=self.maybe(luck.choice(self.staff).id),
            department_id=ticket.department_id,
            escalation_level=self.maybe(luck.choice(list(models.EscalationLevel))),
            state=luck.choice(list(models.ResolutionState)),
            confirm_by=self.maybe(self.moment()),
            answered_at=self.maybe(self.moment()),
            rating=self.maybe(luck.randint(1, 5)),
            feedback=self.maybe(self.text(), 0.8),
        )
        self._event(ticket, "TicketResolved", {"resolution_id": str(resolution.id)})
        told = {"resolution_id": str(resolution.id), "rating": resolution.rating}
        self._reason(self._event(ticket, "ResolutionConfirmed", told), "feedback")

    def _mail(self, ticket: Any, comment: Any = None) -> None:
        message = self.add(
            models.Message,
            kind=models.MessageKind.COMMENT_ADDED if comment else models.MessageKind.TICKET_RECEIVED,
            status=self.luck.choice(list(models.DeliveryStatus)),
            recipient_id=ticket.requester_id if comment else self.luck.choice(self.rows[models.Person]).id,
            ticket_id=ticket.id,
            comment_id=comment.id if comment else None,
            link_id=None,
            not_before=self.moment(),
            attempts=1,
            last_error=self.word(),
            created_at=self.moment(),
            sent_at=None,
        )
        sent = {
            "recipient_id": str(message.recipient_id),
            "message_channel": "EMAIL",
            "message_kind": "TICKET_RECEIVED",
            "message_id": str(message.id),
        }
        self._event(ticket, "MessageSent", sent, internal=True)

    def _event(self, ticket: Any, kind: str, data: dict[str, Any], *, internal: bool = False) -> Any:
        # Staff count in numbers that tell whose they are.
        self.seq += 1
        ticket.last_seq = self.seq
        if not internal:
            ticket.public_seq += 1
        return self.add(
            models.Event,
            ticket_id=ticket.id,
            seq=self.seq,
            public_seq=None if internal else ticket.public_seq,
            kind=kind,
            actor_id=self.maybe(self.luck.choice(self.rows[models.Person]).id, 0.7),
            at=self.moment(),
            data=data,
        )

    def _maintenance(self) -> None:
        luck, people = self.luck, self.rows[models.Person]
        for service in self.rows[models.Service]:
            for person in luck.sample(people, 4):
                self.add(models.ServiceSubscription, service_id=service.id, person_id=person.id)
        for number in range(12):
            begins = self.own_moment()
            status = list(models.MaintenanceStatus)[number % 4]
            notice = self.add(
                models.MaintenanceNotice,
                title=self.text().replace("\n", " "),
                message=f"{self.text()} {{{{services}}}}",
                severity=luck.choice(list(models.MaintenanceSeverity)),
                status=status,
                audience=list(models.MaintenanceAudience)[number % 3],
                channels=luck.sample(["EMAIL", "IN_APP"], luck.choice([1, 2])),
                starts_at=begins,
                ends_at=begins + dt.timedelta(hours=1),
                started_at=self.maybe(begins) if status.value > 1 else None,
                ended_at=begins if status.value > 2 else None,
                remind_before_seconds=self.maybe(600),
                reminder_at=None,
                automatic=luck.random() < 0.5,
                timer_at=None,
                version=1,
                changed_at=begins,
                created_by_id=luck.choice(people).id,
                created_at=begins,
            )
            for service in luck.sample(self.rows[models.Service], luck.choice([1, 2])):
                self.add(models.MaintenanceService, notice_id=notice.id, service_id=service.id)
            self.add(models.MaintenanceRecipient, notice_id=notice.id, person_id=luck.choice(people).id)
            for _ in range(luck.choice([1, 2])):
                said = self.maybe(self.word(), 0.7)
                self.add(
                    models.MaintenanceHappening,
                    notice_id=notice.id,
                    kind=models.HappeningKind.POSTED,
                    status=status,
                    message=said,
                    message_html=said and f"<p>{said}</p>",
                    author_id=self.maybe(luck.choice(people).id),
                    at=self.moment(),
                    told_at=None,
                )

    def _notifications(self) -> None:
        luck = self.luck
        for person in self.rows[models.Person]:
            if person is self.named["stranger"]:
                continue  # was never told anything
            events = luck.sample(self.rows[models.Event], 6)
            for place, event in enumerate(events, 1):
                self.add(
                    models.Notification,
                    person_id=person.id,
                    seq=place,
                    kind=luck.choice(list(models.NotificationKind)),
                    cause_id=event.id,
                    ticket_id=self.maybe(event.ticket_id, 0.9),
                    actor_id=self.maybe(luck.choice(self.rows[models.Person]).id),
                    at=self.moment(),
                    read_at=self.maybe(self.moment()),
                )
            self.add(models.Inbox, person_id=person.id, last_seq=6, unread_count=luck.randrange(7))
            for kind, channel in luck.sample(WAYS, 5):
                wish = {"kind": kind, "channel": channel, "enabled": luck.random() < 0.5}
                self.add(models.NotificationPreference, person_id=person.id, **wish)

    def of(self, model: type[models.Base], ticket: Any) -> list[Any]:
        """What hangs on a ticket."""
        return [row for row in self.rows[model] if row.ticket_id == ticket.id]
