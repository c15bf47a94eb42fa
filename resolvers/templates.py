"""Message templates: listing, trying and keeping them."""

from typing import Annotated

import strawberry

import models
from domain import previews, templates, words
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import argument, planned
from planner.nodes import NodeId, global_id
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given
from schema.templates import (
    DeleteMessageTemplateInput,
    DeleteMessageTemplateResult,
    DeleteMessageTemplateSuccess,
    MessagePreview,
    MessageTemplate,
    MessageTemplateFilter,
    SaveMessageTemplateInput,
    SaveMessageTemplateResult,
    SaveMessageTemplateSuccess,
)


@planned("Message templates. Staff: replies; admins: also those of emails and notifications.")
def message_templates(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[MessageTemplateFilter | None, argument("What to list; default: all.")] = None,
) -> Connection[MessageTemplate] | None:
    asked = filter.conditions() if filter else templates.Conditions()
    return page.of(templates.listed(viewer, asked), order=[models.MessageTemplate.name, models.MessageTemplate.id])


@planned("A template filled in with a real ticket or with sample data, without sending it. Staff.")
def message_template_preview(
    viewer: Viewer,
    body: Annotated[str, argument("Body as a template, Markdown.", most=words.MOST_BODY, check=templates.fault)],
    subject: Annotated[
        str | None,
        argument("Subject as a template; default: none.", most=templates.MOST_SUBJECT, check=templates.fault),
    ] = None,
    ticket_id: Annotated[NodeId | None, argument("The ticket to fill in; default: sample data.")] = None,
) -> MessagePreview | None:
    key = None if ticket_id is None else ticket_id.of(models.Ticket)
    return previews.preview(viewer, key, subject, body)


@mutation("Makes or replaces a message template. Replies: leads; emails and notifications: admins.")
async def save_message_template(
    unit: Unit, context: Context, input: SaveMessageTemplateInput
) -> SaveMessageTemplateResult:
    form = templates.Form(
        name=input.name,
        use=input.use,
        kind=given(input.kind),
        locale=given(input.locale),
        subject=given(input.subject),
        body=input.body,
        department_id=optional_key(input.department_id, models.Department, "departmentId"),
    )
    template_id = optional_key(input.message_template_id, models.MessageTemplate, "messageTemplateId")
    return SaveMessageTemplateSuccess(message_template=await templates.save(unit, context.viewer, template_id, form))


@mutation(
    "Deletes a message template; messages of its kind get the built-in text again. Replies: leads; others: admins."
)
async def delete_message_template(
    unit: Unit, context: Context, input: DeleteMessageTemplateInput
) -> DeleteMessageTemplateResult:
    template_id = key_of(input.message_template_id, models.MessageTemplate, "messageTemplateId")
    deleted = await templates.delete(unit, context.viewer, template_id)
    return DeleteMessageTemplateSuccess(deleted_id=strawberry.ID(global_id(models.MessageTemplate, deleted)))
