"""Random values for arguments, mostly such that something is found, and how a document says them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple

import graphql
import orjson
from random_rows import START
from random_scene import Scene

import models
from planner.pages import LARGEST_PAGE, USUAL_PAGE

Again = Callable[[], Any]  # makes a value anew
LONGEST_SEARCH = 200
LOOKED_UP = (
    models.Ticket, models.Event, models.Notification, models.Attachment, models.Comment, models.Person,
    models.Department, models.Category, models.Service, models.RoutingRule, models.Event, models.Ticket,
    models.Escalation, models.EscalationRule, models.MessageTemplate, models.TicketView,
    models.Escalation, models.EscalationRule, models.MessageTemplate, models.AuditEntry,
    models.DeadLetter,
    models.SlaPolicy, models.BusinessCalendar, models.MaintenanceNotice, models.MaintenanceHappening,
    models.Escalation, models.EscalationRule, models.MessageTemplate,
    models.Article, models.ArticleCategory, models.ArticleVersion, models.Article,
    models.ArticleFeedback, models.ArticleReview, models.ArticleFeedback, models.ArticleReview,
)  # fmt: skip
IDS_OF = {  # which model's ids an argument or input field takes; any of those above where it isn't here
    "Query.ticket.id": models.Ticket,
    "Query.person.id": models.Person,
    "Query.queue.departmentId": models.Department,
    "PersonFilter.departmentIds": models.Department,
    "Query.messageTemplatePreview.ticketId": models.Ticket,
    "MetricsFilter.categoryIds": models.Category,
    "MetricsFilter.departmentIds": models.Department,
    "MetricsFilter.agentIds": models.Person,
    "Query.article.id": models.Article,
    "Query.articleSuggestions.categoryId": models.Category,
    "ArticleFilter.categoryIds": models.ArticleCategory,
    "Query.maintenanceNotice.id": models.MaintenanceNotice,
    "Query.maintenanceReach.serviceIds": models.Service,
    "MaintenanceFilter.serviceIds": models.Service,
    "TicketFilter.categoryIds": models.Category,
    "TicketFilter.departmentIds": models.Department,
    "TicketFilter.serviceIds": models.Service,
    "TicketFilter.requesterIds": models.Person,
    "TicketFilter.assigneeIds": models.Person,
    "AuditFilter.actorId": models.Person,
    "ArticleReviewFilter.assigneeId": models.Person,
}
# Without these the answer depends on when it is given.
SETTLED = {"MetricsFilter": frozenset({"to"})}
STEADY = {f"{name}.{field}" for name, fields in SETTLED.items() for field in fields}
FEW = {
    "BusinessCalendar.upcomingHolidays.first",
    "Query.articleSuggestions.first",
    "Article.related.first",
    "Ticket.suggestedArticles.first",
}
LEVELS = {level.value: level.name for level in models.EscalationLevel}
LIKE: dict[str, Callable[[Any], Any]] = {  # of a ticket, what a condition that holds for it says
    "TicketFilter.statuses": lambda ticket: ticket.status.name,
    "TicketFilter.priorities": lambda ticket: ticket.priority.name,
    "TicketFilter.channels": lambda ticket: ticket.channel.name,
    "TicketFilter.escalationLevels": lambda ticket: LEVELS.get(ticket.escalation_rank),
    "TicketFilter.categoryIds": lambda ticket: f"cat_{ticket.category_id}",
    "TicketFilter.departmentIds": lambda ticket: f"dep_{ticket.department_id}",
    "TicketFilter.serviceIds": lambda ticket: ticket.service_id and f"svc_{ticket.service_id}",
    "TicketFilter.requesterIds": lambda ticket: f"per_{ticket.requester_id}",
    "TicketFilter.assigneeIds": lambda ticket: ticket.assignee_id and f"per_{ticket.assignee_id}",
    "TicketFilter.ratings": lambda ticket: ticket.rating,
    "TicketFilter.tags": lambda ticket: ticket.tags[0] if ticket.tags else None,
}


class Cursor(NamedTuple):
    """A cursor of an earlier answer, and what its list was ordered by, if that was said."""

    text: str
    order: dict[str, str] | None = None


class Known(NamedTuple):
    """What someone knows from earlier answers: cursors by the field's coordinate, and what is refused to them."""

    cursors: Mapping[str, Sequence[Cursor]]
    refused: Collection[str]  # coordinates of root fields, and of arguments that may not be true


class Values:
    """Values of a schema's inputs. A place is where one goes, such as TicketFilter.tags."""

    def __init__(self, luck: Random, schema: graphql.GraphQLSchema, scene: Scene, known: Known) -> None:
        """`known`: of the one who will ask."""
        self.luck, self.schema, self.scene, self.known = luck, schema, scene, known
        self.count = 0
        self.like = luck.choice(scene.rows[models.Ticket])  # what is looked for
        self.on_way: frozenset[str] = frozenset()  # types whose ids are preferred where any is possible
        self.hints: list[str] = []  # types of what the ids lead to that were written last
        self.variables: dict[str, tuple[str, Again]] = {}  # their types with defaults, and how to make their values
        self.reusable: dict[tuple[str, str], list[str]] = {}

    def chance(self, percent: int) -> bool:
        """Whether something that rarely happens does; that it doesn't is the simpler way."""
        return self.luck.randrange(100) >= 100 - percent

    def number(self) -> int:
        """A new one."""
        self.count += 1
        return self.count

    # --- Values as a client writes them in JSON -----------------------------------------------------------------------

    def value(self, place: str, type_: Any) -> Any:
        """A value of any type."""
        if not graphql.is_non_null_type(type_) and place not in STEADY and self.chance(5):
            return None
        type_ = graphql.get_nullable_type(type_)
        if graphql.is_list_type(type_):
            items = [self.value(place, type_.of_type) for _ in range(self.luck.choice([1, 2, 3, 1, 2, 5, 0]))]
            like = LIKE[place](self.like) if place in LIKE else None
            return [*items, like] if like and self.chance(75) else items
        if graphql.is_enum_type(type_):
            return self.luck.choice(list(type_.values))
        return self.input(type_) if graphql.is_input_object_type(type_) else self.scalar(place, type_.name)

    def input(self, type_: Any) -> dict[str, Any]:
        """An input object: what is required, and a little more; exactly one of those of which it must be one."""
        settled = SETTLED.get(type_.name, frozenset())
        required = [
            name for name, field in type_.fields.items() if graphql.is_required_input_field(field) or name in settled
        ]
        others = [name for name in type_.fields if name not in required]
        more = (1 if type_.is_one_of else self.luck.choice([1, 2, 0])) if others else 0
        names = dict.fromkeys([*required, *(self.luck.choice(others) for _ in range(more))])
        return {name: self.value(f"{type_.name}.{name}", type_.fields[name].type) for name in names}

    def scalar(self, place: str, name: str) -> Any:
        """A scalar, by its type's name."""
        luck = self.luck
        if name == "String":
            texts = [*self.like.tags, "x", 'line\nbreak "quoted" é']
            texts = [self.search()] if place == "TicketFilter.text" else texts
            if place in {"ArticleFilter.text", "Query.articleSuggestions.text"}:
                texts = ["tagged", luck.choice(self.scene.rows[models.ArticleTerm]).word, "taggde zq", *texts]
            if place == "Query.articleBySlug.slug":
                texts = [luck.choice(self.scene.rows[models.ArticleSlug]).slug]
            if place.startswith("Query.messageTemplatePreview."):  # it says again what it is given
                texts = ["x", "{{name}} of **{{desk}}**", "{{nothing}}"]
            return luck.choice([*self.schema.type_map, "Nothing"] if place == "Query.__type.name" else texts)
        some = luck.choice(self.scene.rows[models.Ticket]).number
        if place == "Metrics.series.timeZone":
            return luck.choice(["UTC", "Asia/Kolkata", "Europe/Berlin"])
        if place.startswith("Metrics.by"):
            return luck.randint(0 if self.chance(5) else 1, 4)
        if place in FEW:
            return luck.randint(0 if self.chance(5) else 1, 5)
        made: dict[str, Again] = {
            "Boolean": lambda: self.chance(5 if place in self.known.refused else 50),
            "ID": lambda: self.id(place),
            "Int": lambda: luck.choice([self.like.number, some, 0, 2**31 - 1]),
            "DateTime": partial(self.moment, late=place == "MetricsFilter.to" and self.chance(90)),
        }
        return made[name]()

    def id(self, place: str) -> str:
        """The id of a row, rarely one of nothing, rarely none."""
        luck, rows = self.luck, self.scene.rows
        if self.chance(2):
            return luck.choice(["", "x", "tkt_", "tkt_x", f"vwr_{rows[models.Person][0].id}", self.id("")])
        wanted = [key for key, kind in self.scene.kinds.items() if kind in self.on_way]
        if wanted and place not in IDS_OF and self.chance(90):
            chosen = luck.choice(wanted)
            self.hints.append(self.scene.kinds[chosen])
            return chosen
        model = IDS_OF.get(place) or luck.choice(LOOKED_UP)
        row = self.like if model is models.Ticket and self.chance(30) else luck.choice(rows[model])
        if self.chance(4):
            return f"{self.scene.ids[row.id][:3]}_00000000-0000-7000-8000-000000000000"
        self.hints.append(self.scene.kinds[self.scene.ids[row.id]])
        return self.scene.ids[row.id]

    def moment(self, *, late: bool = False) -> str:
        """A moment around those of the scene, or late in them, as somebody may write it."""
        moment = START + dt.timedelta(
            hours=self.luck.randint(12 if late else -1, 13), milliseconds=self.luck.choice([0, 1, 999])
        )
        text = moment.isoformat(timespec="milliseconds")
        away = moment.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30)))
        short = text.replace("+00:00", "Z")
        return self.luck.choice([short, text, away.isoformat(), short.lower()])

    def search(self) -> str:
        """What somebody may look for: in the ticket that is looked for, mostly."""
        texts = [self.like.subject, self.like.body, *self.like.tags]
        texts += [row.body for row in self.scene.of(models.Comment, self.like) if row.body]
        one, other = (self.luck.choice(texts).split()[0] for _ in range(2))
        ways = [one, f"{one} {other}", f"{one} or {other}", f"{one} -{other}", f'"{one}', one[:4], "", "the"]
        ways += [f"#{self.like.number}", f" {self.like.number} ", f"{one}\n&|!(:*'", "x" * (LONGEST_SEARCH + 1)]
        said: str = self.luck.choice(ways)
        return said

    def cursor(self, known: Sequence[str]) -> str | None:
        """One of these, or now and then none, or nothing of the kind."""
        if self.chance(3):
            every = [cursor.text for cursors in self.known.cursors.values() for cursor in cursors]
            return self.luck.choice([None, "", "x", known[0] + "x", self.luck.choice(every)])
        return self.luck.choice(known)

    # --- How a document says them -------------------------------------------------------------------------------------

    def page(self, coordinate: str, field: Any, room: int) -> tuple[list[str], int, dict[str, Any]]:
        """The arguments of a page, the most that it holds, and what other arguments must then be."""
        most = min(room, 5 if self.chance(90) else LARGEST_PAGE)
        ways = [["first"], ["last"], ["first"], []] if room >= USUAL_PAGE else [["first"], ["last"]]
        names = ["first", "last"] if self.chance(1) else self.luck.choice(ways)
        given, fixed = [], dict[str, Any]()
        for name in names:
            place, again = f"size {most}", partial(self.luck.randint, 1, most)
            if self.chance(2):
                place, again = "no size", partial(self.luck.choice, [0, -1, LARGEST_PAGE + 1])
            given.append(f"{name}: {self.said(field.args[name].type, again(), again, place)}")
        known = self.known.cursors.get(coordinate, ())
        if known and self.chance(35):
            order = self.luck.choice(known).order
            fixed = {"orderBy": order} if "orderBy" in field.args else {}
            same = [cursor.text for cursor in known if cursor.order == order]
            for name in self.luck.choice([["after"], ["before"], ["after", "before"]]):
                cursors = partial(self.cursor, same)
                given.append(f"{name}: {self.said(field.args[name].type, cursors(), cursors, f'{coordinate} {order}')}")
        return given, most if names else USUAL_PAGE, fixed

    def said(self, type_: Any, value: Any, again: Again, place: str, *, has_default: bool = False) -> str:
        """A value as the document has it: written out, or with variables for all or a part of it.

        `has_default`: whether the place has one, so that variables without a value may stand there.
        """
        if self.chance(40):
            return f"${self.variable(type_, value, again, place, has_default=has_default)}"
        nullable = graphql.get_nullable_type(type_)
        if value is None or graphql.is_leaf_type(nullable):
            return literal(nullable, value)
        if graphql.is_list_type(nullable):
            item = nullable.of_type
            items = [self.said(item, each, partial(self.value, place, item), place) for each in value]
            alone = len(items) == 1 and not items[0].startswith("$")  # a variable would have to be of another type
            return items[0] if alone and self.chance(20) else f"[{', '.join(items)}]"
        parts = []
        for name, item in value.items():
            within, inner = f"{nullable.name}.{name}", nullable.fields[name].type
            parts.append(f"{name}: {self.said(inner, item, partial(self.value, within, inner), within)}")
        return f"{{{', '.join(parts)}}}"

    def variable(self, type_: Any, value: Any, again: Again, place: str, *, has_default: bool) -> str:
        """The name of a variable for such values: one that must be given, or may be null or left out."""
        known = self.reusable.setdefault((str(type_), place), [])
        if known and place != "fixed" and self.chance(30):
            return self.luck.choice(known)
        name, nullable, required = (
            f"v{self.number()}",
            graphql.get_nullable_type(type_),
            graphql.is_non_null_type(type_),
        )
        ways = ["required", "default"] if required else ["plain", "plain", "required", "default"]
        way = self.luck.choice(ways + ["plain"] * (required and has_default))
        if value is None or place == "fixed":
            way = "required" if required else "plain"
        if place in STEADY:
            way = "required"

        def make() -> Any:
            if place != "fixed" and way != "required":
                if self.chance(15):
                    return graphql.Undefined
                if self.chance(2 if required else 10):
                    return None
            made = again()
            while made is None and way == "required":
                made = again()
            return made[0] if isinstance(made, list) and len(made) == 1 and self.chance(15) else made

        default = f" = {literal(nullable, value)}" if way == "default" else ""
        self.variables[name] = f"{nullable}{'!' * (way == 'required')}{default}", make
        known.append(name)
        return name


def literal(type_: Any, value: Any) -> str:
    """A value as a document has it, written out."""
    type_ = graphql.get_nullable_type(type_)
    if value is None:
        return "null"
    if graphql.is_list_type(type_):
        return f"[{', '.join(literal(type_.of_type, item) for item in value)}]"
    if graphql.is_input_object_type(type_):
        return f"{{{', '.join(f'{name}: {literal(type_.fields[name].type, item)}' for name, item in value.items())}}}"
    return str(value) if graphql.is_enum_type(type_) else orjson.dumps(value).decode()
