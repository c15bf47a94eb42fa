"""Message templates as the API shows them."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Union

import strawberry

import models
from domain import previews, templates, words
from domain.access import Viewer
from infra.desk import Desk
from planner.fields import Computed, Payload, attribute, computed, input_field, payload, planned
from planner.nodes import Node, stored
from schema.departments import Department
from schema.enums import described
from schema.inputs import given, optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

described(
    models.MessageTemplateUse,
    "Where a template is used.",
    REPLY="Offered to agents who write a comment.",
    EMAIL="Emails of one kind.",
    IN_APP="Notifications of one kind.",
)


@stored(models.MessageTemplate, "tpl")
@strawberry.type(description="The text of a reply that agents can use, or of a message that Deskwire sends.")
class MessageTemplate(Node):
    name: str = attribute("Its name.")
    use: models.MessageTemplateUse = attribute("Where it's used.")
    kind: models.NotificationKind | None = attribute("The kind of message whose text it replaces; null for replies.")
    locale: str = attribute("Language, BCP 47.")
    subject: str | None = attribute("Subject of an email or title of a notification; null for replies.")
    body: str = attribute("Markdown with {{placeholders}}.")
    department: Department | None = attribute("Department whose agents are offered it; null: all.")
    updated_at: dt.datetime = attribute("When it was last changed.")

    @planned("Placeholders that may occur in it.")
    def placeholders(template: models.MessageTemplate, viewer: Viewer) -> list[str]:
        return templates.placeholders_of(template)


NAMES = tuple(previews.SAMPLE)


def _facts(desk: Desk, values: Sequence[str]) -> dict[str, str]:
    own = {"desk": desk.settings.desk_name, "link": f"{desk.settings.public_url}/t/example"}
    return own | dict(zip(NAMES, values, strict=True))


def _subject(desk: Desk, text: str | None, *values: str) -> str | None:
    return None if text is None else templates.line(text, _facts(desk, values))


def _body(desk: Desk, text: str, *values: str) -> str:
    return templates.written(text, _facts(desk, values))


def _html(desk: Desk, text: str, *values: str) -> str:
    return words.html(_body(desk, text, *values))


def _text(desk: Desk, text: str, *values: str) -> str:
    return templates.plain(_body(desk, text, *values))


def _of(found: Any, function: Any, text: Any) -> Computed:
    return Computed(function, text, *(getattr(found, f"its_{name}") for name in NAMES))


@strawberry.type(description="A template filled in.")
class MessagePreview:
    @computed("Subject; null without one.")
    def subject(found: Any, viewer: Viewer) -> str | None:
        return _of(found, _subject, found.subject)

    @computed("Body as Markdown, for inserting into a comment.")
    def body(found: Any, viewer: Viewer) -> str:
        return _of(found, _body, found.body)

    @computed("Body as HTML.")
    def body_html(found: Any, viewer: Viewer) -> str:
        return _of(found, _html, found.body)

    @computed("Body as plain text.")
    def body_text(found: Any, viewer: Viewer) -> str:
        return _of(found, _text, found.body)

    @planned("Placeholders that aren't known; shown as they are.")
    def unknown_placeholders(found: Any, viewer: Viewer) -> list[str]:
        return previews.unknown_in(found.subject, found.body)


@strawberry.input(description="Which templates to list. All conditions given must hold.")
class MessageTemplateFilter:
    use: models.MessageTemplateUse | None = input_field("Used there.")
    kind: models.NotificationKind | None = input_field("Of this kind.")
    locale: str | None = input_field("In this language, BCP 47.")
    text: str | None = input_field("Words in name or body; at most 200 characters.", most=templates.MOST_TEXT)

    def conditions(self) -> templates.Conditions:
        """The conditions that are given."""
        return templates.Conditions(given(self.use), given(self.kind), given(self.locale), given(self.text))


@strawberry.input(description="What saveMessageTemplate needs.")
class SaveMessageTemplateInput:
    message_template_id: strawberry.ID | None = optional("The template to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    use: models.MessageTemplateUse = required("Where it's used.")
    kind: models.NotificationKind | None = optional(
        "The kind of message whose text it replaces; not for replies, one for each kind, use and language."
    )
    locale: str | None = optional("Language, BCP 47; default: the desk's.")
    subject: str | None = optional("Subject or title as a template; not for replies.")
    body: str = required("Markdown with {{placeholders}}, 1 to 20,000 characters; unknown placeholders are refused.")
    department_id: strawberry.ID | None = optional(
        "Department whose agents are offered it; default: all. Only for replies."
    )


@strawberry.type(description="Saved.")
class SaveMessageTemplateSuccess:
    message_template: Payload[MessageTemplate] = payload("The template.", templates.one)


SaveMessageTemplateResult = Annotated[
    Union[SaveMessageTemplateSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveMessageTemplateResult", description="What saveMessageTemplate answers."),
]


@strawberry.input(description="What deleteMessageTemplate needs.")
class DeleteMessageTemplateInput:
    message_template_id: strawberry.ID = required("The template.")


@strawberry.type(description="Deleted.")
class DeleteMessageTemplateSuccess:
    deleted_id: strawberry.ID = strawberry.field(description="Id of what was deleted.")


DeleteMessageTemplateResult = Annotated[
    Union[DeleteMessageTemplateSuccess, NotFound, NotAllowed],
    strawberry.union("DeleteMessageTemplateResult", description="What deleteMessageTemplate answers."),
]
