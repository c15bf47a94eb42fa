"""The whole API: its roots, put together from every noun's resolvers."""

from typing import Any

import graphql
import strawberry
from strawberry.tools import create_type

from planner.fields import CONFIG
from resolvers import (
    attachments,
    calendars,
    categories,
    changes,
    comments,
    departments,
    escalations,
    links,
    nodes,
    notifications,
    people,
    presence,
    queues,
    resolutions,
    routing,
    services,
    sessions,
    sla,
    templates,
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
    queues.queue,
    people.person,
    people.people_,
    departments.departments_,
    categories.categories_,
    services.services_,
    routing.routing_rules,
    sla.sla_policies,
    calendars.business_calendars,
    escalations.escalation_rules,
    templates.message_templates,
    templates.message_template_preview,
]
MUTATIONS = [
    sessions.request_sign_in_link,
    sessions.sign_in,
    sessions.sign_in_with_link,
    sessions.refresh_session,
    sessions.sign_out,
    people.create_person,
    people.set_availability,
    attachments.create_upload,
    tickets.submit_ticket,
    changes.update_ticket,
    changes.update_tickets,
    changes.triage_ticket,
    changes.assign_ticket,
    changes.take_next_ticket,
    changes.change_ticket_status,
    comments.add_comment,
    comments.add_internal_comment,
    comments.edit_comment,
    comments.delete_comment,
    links.watch_ticket,
    links.unwatch_ticket,
    links.link_tickets,
    links.unlink_tickets,
    links.merge_tickets,
    presence.set_ticket_presence,
    resolutions.resolve_ticket,
    resolutions.confirm_resolution,
    resolutions.reopen_ticket,
    resolutions.close_ticket,
    notifications.mark_notifications_read,
    notifications.set_notification_preferences,
    departments.save_department,
    categories.save_category,
    routing.save_routing_rule,
    routing.delete_routing_rule,
    sla.save_sla_policy,
    calendars.save_business_calendar,
    escalations.escalate_ticket,
    escalations.acknowledge_escalation,
    escalations.end_escalation,
    escalations.save_escalation_rule,
    escalations.delete_escalation_rule,
    templates.save_message_template,
    templates.delete_message_template,
]
SUBSCRIPTIONS = [
    tickets.ticket_updated,
    tickets.ticket_events,
    queues.queue_updated,
    presence.ticket_presence_updated,
    notifications.notifications_,
    notifications.unread_count_updated,
]


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
