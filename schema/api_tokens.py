"""Tokens for programs as the API shows them."""

import datetime as dt
from typing import Annotated, Union

import strawberry

import models
from domain import api_tokens
from planner.fields import Payload, attribute, payload
from planner.nodes import Node, stored
from schema.enums import described
from schema.inputs import optional, required
from schema.people import Person
from schema.refusals import InvalidInput, NotAllowed, NotFound

described(
    models.ApiTokenScope,
    "What a token may do, within its owner's rights.",
    READ="Queries and subscriptions.",
    WRITE="All that its owner may do, except for tokens, passwords and people.",
)


@stored(models.ApiToken, "tok")
@strawberry.type(description="A token for a program.")
class ApiToken(Node):
    name: str = attribute("What it is for.")
    hint: str = attribute("Its first characters, to tell tokens apart.")
    scope: models.ApiTokenScope = attribute("What it may do, within its owner's rights.")
    owner: Person = attribute("Whose it is.")
    created_at: dt.datetime = attribute("When it was made.")
    last_used_at: dt.datetime | None = attribute("When it was last used, to the hour; null if never.")
    expires_at: dt.datetime | None = attribute("When it ends; null: not by itself.")


@strawberry.input(description="What createApiToken needs.")
class CreateApiTokenInput:
    name: str = required("What it is for, 1 to 100 characters.")
    scope: models.ApiTokenScope = strawberry.field(description="What it may do.", default=models.ApiTokenScope.READ)
    expires_at: dt.datetime | None = optional("When it ends, at most a year from now; default: in 90 days.")


@strawberry.type(description="Made.")
class CreateApiTokenSuccess:
    api_token: Payload[ApiToken] = payload("The token's data.", api_tokens.one)
    token: str = strawberry.field(description="The token itself, shown this once.")


CreateApiTokenResult = Annotated[
    Union[CreateApiTokenSuccess, InvalidInput, NotAllowed],
    strawberry.union("CreateApiTokenResult", description="What createApiToken answers."),
]


@strawberry.input(description="What revokeApiToken needs.")
class RevokeApiTokenInput:
    api_token_id: strawberry.ID = required("The token.")


@strawberry.type(description="Ended.")
class RevokeApiTokenSuccess:
    revoked_id: strawberry.ID = strawberry.field(description="Id of what was ended.")


RevokeApiTokenResult = Annotated[
    Union[RevokeApiTokenSuccess, NotFound, NotAllowed],
    strawberry.union("RevokeApiTokenResult", description="What revokeApiToken answers."),
]
