"""Every mutation with every type of its answer: without graphql-core it is given and answers what it would with it."""

import dataclasses
import datetime as dt
import itertools
import random

import graphql
import orjson
import pytest
from graphql.execution import VariableValues
from strawberry.types.arguments import convert_arguments

import models
from domain import refusals
from domain.access import Viewer
from models import Role
from planner.documents import declared_of
from planner.engine import Engine
from planner.fields import DEFINITION
from planner.mutations import Done, Mutation
from resolvers.root import schema
from schema.context import Context

SCHEMA = schema._schema
MUTATIONS = SCHEMA.mutation_type.fields
# What they refuse is of several types, each with keys of its own: graphql-core writes it.
BY_GRAPHQL_CORE = {"updateTickets"}
ODD = 'ünd "so" \\ / \n\t\x01\x7f \u2028 🔥'
LEAVES = {
    "String": ODD,
    "ID": "tkt_0",
    "URL": "https://example.com/?a=b&c",
    "Int": 7,
    "Float": 1.5,
    "Boolean": True,
    "LocalTime": "09:30",
    "Date": "2026-12-24",
    "DateTime": dt.datetime(2026, 11, 24, 9, 30, 0, 7000, tzinfo=dt.UTC),
}


@pytest.fixture
async def keys(customer, ticket, problem, support, director, database, work, mailbox, house):  # noqa: PLR0915 # a row after the other
    """A row for each type that an answer may name by a key."""
    await work.run()
    (event,) = await database.rows("SELECT id FROM events WHERE seq = 1")
    (told,) = await database.rows("SELECT id FROM notifications WHERE person_id = :id", id=customer.id)
    lists = {name: [] for name in ("category_ids", "priorities", "service_ids", "words", "email_domains", "add_tags")}
    told_by = {"author_id": customer.id, "channel": models.TicketChannel.PORTAL, "edited_at": None, "deleted_at": None}
    async with house.desk.writes.begin() as unit:
        values = {"name": "R", "position": 0, "active": True, "department_id": None, "assignee_id": None}
        rule = unit.insert(models.RoutingRule, **values, priority=None, **lists)
        words = {"body": "So *it* is.", "body_html": "<p>So it is.</p>", "internal": False, "created_at": unit.now}
        hours = [{"weekday": 0, "opens": 540, "closes": 1440}]
        holidays = [{"date": "2026-12-24", "name": ODD}]
        named = {"name": "C", "time_zone": "UTC", "hours": hours, "holiday_region": "DE", "holidays": holidays}
        calendar = unit.insert(models.BusinessCalendar, **named)
        conditions = {"department_ids": [support.id], "category_ids": [problem.id]}
        policy = unit.insert(models.SlaPolicy, name="P", description=ODD, position=0, active=True, **conditions)
        targets = {"LOW": {"FIRST_RESPONSE": None, "RESOLUTION": 600}}
        asked = {"targets": targets, "calendar_id": calendar.id, "pauses_on_hold": True, "created_at": unit.now}
        unit.insert(models.SlaVersion, policy_id=policy.id, number=1, **asked)
        escalating = {"level": models.EscalationLevel.MANAGER, "rule_id": None, "escalated_by_id": director.id}
        escalating |= {"acknowledged_at": None, "acknowledged_by_id": None, "ended_at": None, "reason": "It is late."}
        escalation = unit.insert(
            models.Escalation, ticket_id=ticket.uuid, at=unit.now, escalated_to_ids=[director.id], **escalating
        )
        raising = {"trigger": models.EscalationTrigger.UNASSIGNED, "level": models.EscalationLevel.MANAGER}
        raising |= {"name": "E", "active": True, "after_seconds": 60, "priorities": [], "changed_at": unit.now}
        escalation_rule = unit.insert(models.EscalationRule, department_ids=[support.id], **raising)
        wording = {"name": "T", "use": models.MessageTemplateUse.REPLY, "kind": None, "locale": "en", "subject": None}
        template = unit.insert(
            models.MessageTemplate, body="Dear {{name}}", department_id=None, updated_at=unit.now, **wording
        )
        shared = {"filter": {"text": ODD}, "order_field": "PRIORITY", "order_direction": "DESC", "position": 0}
        view = unit.insert(models.TicketView, name="V", owner_id=director.id, department_id=support.id, **shared)
        given_up = {"kind": models.DeadLetterKind.JOB, "name": "Announce", "attempt_count": 9, "error": ODD}
        given_up |= {"recipient_id": customer.id, "ticket_id": ticket.uuid, "settled_by_id": None, "settled_at": None}
        moments = {"first_tried_at": unit.now, "failed_at": unit.now, "status": models.DeadLetterStatus.WAITING}
        letter = unit.insert(models.DeadLetter, source_id=ticket.uuid, **given_up, **moments)
        service = unit.insert(models.Service, name="S", description=ODD, archived_at=None)
        planned = {"starts_at": unit.now, "ends_at": unit.now + dt.timedelta(hours=1), "started_at": None}
        planned |= {"ended_at": None, "remind_before_seconds": 600, "reminder_at": None, "timer_at": None}
        planned |= {"version": 1, "changed_at": unit.now, "created_by_id": director.id, "created_at": unit.now}
        notice = unit.insert(
            models.MaintenanceNotice, title=ODD, message="{{services}} rests.", channels=["EMAIL", "IN_APP"],
            severity=models.MaintenanceSeverity.MAJOR, status=models.MaintenanceStatus.SCHEDULED, automatic=True,
            audience=models.MaintenanceAudience.EVERYONE, **planned,
        )  # fmt: skip
        unit.insert(models.MaintenanceService, notice_id=notice.id, service_id=service.id)
        update = unit.insert(
            models.MaintenanceHappening, notice_id=notice.id, kind=models.HappeningKind.POSTED, message=ODD,
            message_html="<p>x</p>", status=models.MaintenanceStatus.SCHEDULED, author_id=director.id, at=unit.now,
            told_at=None,
        )  # fmt: skip
        comment = unit.insert(models.Comment, ticket_id=ticket.uuid, **words, **told_by)
        lasting = {"created_at": unit.now, "last_used_at": None, "expires_at": unit.now, "revoked_at": None}
        secret = {"hint": "dwt_abcd", "digest": "d", "scope": models.ApiTokenScope.READ}
        token = unit.insert(models.ApiToken, owner_id=director.id, name=ODD, **secret, **lasting)
        placed = {"slug": "s", "position": 0, "path": "", "parent_id": None, "description": ODD, "archived_at": None}
        shelf = unit.insert(models.ArticleCategory, name="A", ticket_category_ids=[problem.id], **placed)
        text = {"title": "T", "summary": ODD, "body": ODD, "body_html": "<p></p>", "number": 1}
        states = {"status": models.ArticleStatus.PUBLISHED, "audience": models.ArticleAudience.PUBLIC}
        states |= {"published_at": unit.now, "updated_at": unit.now, "locale": "en", "language": "english"}
        states |= dict.fromkeys(("from_ticket_id", "publishes_at", "publishes_by_id", "publishes_note"))
        states["publishes_closing"] = True
        article = unit.insert(
            models.Article, **text, **states, slug="s", category_id=shelf.id, position=0, tags=[], author_id=director.id
        )
        thought = {"helpful": False, "rating": 1, "comment": ODD, "badness": 5, "at": unit.now, "version_number": 1}
        thought |= {"source": models.ArticleFeedbackSource.TICKET, "reader_id": customer.id, "person_id": customer.id}
        opinion = unit.insert(models.ArticleFeedback, article_id=article.id, **thought)
        asked = {"reason": models.ArticleReviewReason.REQUESTED, "note": ODD, "requested_by_id": director.id}
        asked |= {"status": models.ArticleReviewStatus.OPEN, "since": unit.now, "requested_at": unit.now}
        asked |= {"assignee_id": director.id, "closed_at": None, "closed_by_id": None, "outcome": None}
        review = unit.insert(models.ArticleReview, article_id=article.id, **asked)
    return {
        "Ticket": ticket.uuid,
        "Person": customer.id,
        "Viewer": customer.id,
        "UnreadCount": customer.id,
        "Category": problem.id,
        "Department": support.id,
        "RoutingRule": rule.id,
        "Service": service.id,
        "MaintenanceNotice": notice.id,
        "MaintenanceUpdate": update.id,
        "SlaPolicy": policy.id,
        "BusinessCalendar": calendar.id,
        "Escalation": escalation.id,
        "EscalationRule": escalation_rule.id,
        "MessageTemplate": template.id,
        "TicketView": view.id,
        "DeadLetter": letter.id,
        "Comment": comment.id,
        "ApiToken": token.id,
        "Article": article.id,
        "ArticleCategory": shelf.id,
        "ArticleFeedback": opinion.id,
        "ArticleReview": review.id,
        "TicketPresence": ticket.uuid,
        "Notification": told["id"],
        "TicketEvent": event["id"],
        "Node": (models.Ticket, ticket.uuid),
    }


@pytest.fixture
async def answering(desk):
    engine = Engine(schema, desk.reads, refusals=refusals.Refusal, report=repr, given=desk)
    yield engine
    await engine.cards.close()


def made(type_, keys, *, full):
    """What a mutation may return: an object of a type, in which there is all that may be, or nothing that need not."""
    values = {}
    for field in type_.fields.values():
        nullable, named = graphql.get_nullable_type(field.type), graphql.get_named_type(field.type)
        if declared_of(field).payload:
            value = keys[named.name]
        elif graphql.is_object_type(named):
            value = made(named, keys, full=full)
        elif graphql.is_enum_type(named):
            value = list(named.values.values())[-1].value
        else:
            value = LEAVES[named.name]
        if graphql.is_list_type(nullable):
            value = [value, value] if full else []
        elif nullable is field.type and not full:
            value = None
        values[field.extensions[DEFINITION].python_name] = value
    return type_.extensions[DEFINITION].origin(**values)


def everything(type_, depth):
    """A selection of all there is, each field under a name of its own."""
    if graphql.is_union_type(type_) or graphql.is_interface_type(type_):
        parts = [f"... on {each.name} {everything(each, depth)}" for each in SCHEMA.get_possible_types(type_)]
        return f"{{ __typename {' '.join(parts)} }}"
    parts = ["__typename"]
    for name, field in type_.fields.items():
        named, called = graphql.get_named_type(field.type), f"{type_.name}_{name}: {name}"
        if graphql.is_leaf_type(named):
            parts.append(called)
        elif depth and not any(graphql.is_required_argument(argument) for argument in field.args.values()):
            parts.append(f"{called} {everything(named, depth - 1)}")
    return f"{{ {' '.join(parts)} }}"


class Given:
    """Random values for arguments: absent, null and given."""

    def __init__(self, seed):
        self.luck = random.Random(seed)

    def value(self, type_):
        nullable = graphql.get_nullable_type(type_)
        if nullable is type_ and self.luck.random() < 0.2:
            return None
        if graphql.is_list_type(nullable):
            return [self.value(nullable.of_type) for _ in range(self.luck.randrange(3))]
        if graphql.is_enum_type(nullable):
            return self.luck.choice(list(nullable.values))
        if graphql.is_input_object_type(nullable):
            fields = nullable.fields
            if nullable.extensions[DEFINITION].is_one_of:
                name = self.luck.choice(list(fields))
                return {name: self.value(graphql.GraphQLNonNull(fields[name].type))}
            chosen = {
                name
                for name, field in fields.items()
                if graphql.is_required_input_field(field) or self.luck.random() < 0.5
            }
            return {name: self.value(field.type) for name, field in fields.items() if name in chosen}
        return LEAVES[nullable.name] if nullable.name != "DateTime" else "2026-11-24T09:30:00.000Z"


def asked(name, depth=1):
    arguments = MUTATIONS[name].args
    head = ", ".join(f"${each}: {argument.type}" for each, argument in arguments.items())
    given = ", ".join(f"{each}: ${each}" for each in arguments)
    body = everything(graphql.get_named_type(MUTATIONS[name].type), depth)
    return f"mutation ({head}) {{ {name}({given}) {body} }}"


@pytest.mark.parametrize("name", MUTATIONS)
def test_graphql_core_is_not_needed(name):
    assert (Mutation(SCHEMA, MUTATIONS[name]).hindrance is not None) == (name in BY_GRAPHQL_CORE)


# Whoever may see none of its two fields is told of the one that was read first, which may be either.
EITHER = {"PostMaintenanceUpdateSuccess"}


def without_place(answer):
    """The answer without where its one error is, and without what of the field its id here tells."""
    said = orjson.loads(answer.body)
    (error,) = said["errors"]
    del error["locations"], error["path"][1:], error["extensions"]["id"]
    return answer._replace(body=orjson.dumps(said))


async def test_every_type_is_answered_alike(subtests, answering, desk, keys, customer, agent, director):
    viewers = [Viewer(person.role, person.id) for person in (customer, agent, director)]
    viewers.append(Viewer(Role.CUSTOMER, customer.id, keys["Ticket"]))
    for name in sorted(MUTATIONS.keys() - BY_GRAPHQL_CORE):
        with subtests.test(name):
            await answers_alike(name, answering, desk, keys, viewers)


async def answers_alike(name, answering, desk, keys, viewers):
    """Both ways to the answers of one mutation. Nothing is written, so that all are asked over the same rows."""
    text, field = asked(name), MUTATIONS[name]
    operation = answering.document(text).operation(None)
    variables = {each: Given(1).value(argument.type) for each, argument in field.args.items()}
    values = operation.variables.coerce(variables)
    possible = SCHEMA.get_possible_types(graphql.get_nullable_type(field.type))
    answering.mutations[name] = mutation = Mutation(SCHEMA, field)
    whole = itertools.product(possible, (True,), viewers)
    bare = itertools.product(possible, (False,), viewers[:1])  # where little is there, all see the same
    for type_, full, viewer in itertools.chain(whole, bare):
        returned = made(type_, keys, full=full)

        async def perform(_context, _returned=returned, **_arguments):
            return _returned

        mutation.perform = perform
        answer = await answering.mutate(operation, values, variables, Context(desk, answering, viewer))
        cost = answering.price(operation, values).cost
        context = Context(desk, answering, viewer)
        reference = await answering.execute(operation, variables, context, None, cost, Done({name: returned}))

        if type_.name in EITHER and b'"errors"' in answer.body:
            answer, reference = (without_place(each) for each in (answer, reference))
        assert answer == reference, (type_, full, viewer)
        assert orjson.loads(answer.body)["data"].keys() == {name}


async def test_what_goes_well_goes_without_graphql_core(answering, desk, keys, director, monkeypatch):
    monkeypatch.setattr(Engine, "execute", None)
    for name, field in MUTATIONS.items():
        if name in BY_GRAPHQL_CORE:
            continue
        operation = answering.document(asked(name, 0)).operation(None)
        variables = {each: Given(1).value(argument.type) for each, argument in field.args.items()}
        answering.mutations[name] = mutation = Mutation(SCHEMA, field)
        for type_, full in itertools.product(mutation.types.values(), (True, False)):
            returned = made(type_, keys, full=full)

            async def perform(_context, _returned=returned, **_arguments):
                return _returned

            mutation.perform = perform
            values = operation.variables.coerce(variables)
            context = Context(desk, answering, Viewer(director.role, director.id))
            answer = await answering.mutate(operation, values, variables, context)
            assert orjson.loads(answer.body)["data"][name]["__typename"] == type_.name


@pytest.mark.parametrize("name", MUTATIONS)
def test_arguments_are_what_strawberry_makes_of_them(answering, name):
    field = MUTATIONS[name]
    operation = answering.document(asked(name)).operation(None)
    (node,) = operation.node.selection_set.selections
    make = Mutation(SCHEMA, field).arguments(node)
    for seed in range(40):
        given = Given(seed)
        variables = {each: given.value(argument.type) for each, argument in field.args.items()}
        values = operation.variables.coerce(variables)

        found = make(values)

        read = graphql.get_argument_values(field, node, VariableValues({}, values))
        definition = field.extensions[DEFINITION]
        registry = schema.schema_converter.scalar_registry
        assert found == convert_arguments(read, definition.arguments, registry, schema.config)
        assert all(dataclasses.is_dataclass(value) for value in found.values())
