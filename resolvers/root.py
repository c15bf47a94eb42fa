"""The whole API: its roots, put together from every noun's resolvers."""

from typing import Any

import graphql
import strawberry
from strawberry.tools import create_type

from planner.fields import CONFIG
from resolvers import (
    attachments,
    categories,
    comments,
    departments,
    nodes,
    notifications,
    people,
    resolutions,
    routing,
    services,
    sessions,
    tickets,
)
from schema.events.kinds import KINDS

QUERIES = [
    nodes.node,
    nodes.nodes,
    sessions.desk,
    sessions.viewer_,
    tickets.ticket,
    tickets.ticket_by_number,
    tickets.tickets_,
    departments.departments_,
    categories.categories_,
    services.services_,
    routing.routing_rules,
]
MUTATIONS = [
    sessions.request_sign_in_link,
    sessions.sign_in,
    sessions.sign_in_with_link,
    sessions.refresh_session,
    sessions.sign_out,
    people.create_person,
    attachments.create_upload,
    tickets.submit_ticket,
    comments.add_comment,
    comments.add_internal_comment,
    resolutions.resolve_ticket,
    resolutions.confirm_resolution,
    resolutions.reopen_ticket,
    resolutions.close_ticket,
    notifications.mark_notifications_read,
    departments.save_department,
    categories.save_category,
    routing.save_routing_rule,
    routing.delete_routing_rule,
]
SUBSCRIPTIONS = [tickets.ticket_updated]


schema = strawberry.Schema(
    query=create_type("Query", QUERIES, description="All that can be read."),
    mutation=create_type("Mutation", MUTATIONS, description="All that can be done."),
    subscription=create_type(
        "Subscription", SUBSCRIPTIONS, description="All that can be watched live, over graphql-transport-ws."
    ),
    types=list(KINDS),
    config=CONFIG,
)

# Strawberry's own fails for lists and for what can't be null.
introspected: Any = schema._schema.type_map["__Type"]  # noqa: SLF001 - its way to graphql-core
introspected.fields["isOneOf"].resolve = lambda type_, _: graphql.is_input_object_type(type_) and type_.is_one_of
