"""Tokens for programs: making and ending them."""

import strawberry

import models
from domain import api_tokens
from infra.unit import Unit
from planner.nodes import global_id
from resolvers.writing import key_of, mutation
from schema.api_tokens import (
    CreateApiTokenInput,
    CreateApiTokenResult,
    CreateApiTokenSuccess,
    RevokeApiTokenInput,
    RevokeApiTokenResult,
    RevokeApiTokenSuccess,
)
from schema.context import Context
from schema.inputs import given


@mutation(
    "Makes a token for a program, which acts as the viewer with the rights chosen. It is shown once. "
    "Staff, for themselves."
)
async def create_api_token(unit: Unit, context: Context, input: CreateApiTokenInput) -> CreateApiTokenResult:
    made = await api_tokens.create(
        unit, context.viewer, name=input.name, scope=input.scope, expires_at=given(input.expires_at)
    )
    return CreateApiTokenSuccess(api_token=made.id, token=made.token)


@mutation("Ends a token for a program at once. Its owner; admins.")
async def revoke_api_token(unit: Unit, context: Context, input: RevokeApiTokenInput) -> RevokeApiTokenResult:
    token_id = key_of(input.api_token_id, models.ApiToken, "apiTokenId")
    revoked = await api_tokens.revoke(unit, context.viewer, token_id)
    return RevokeApiTokenSuccess(revoked_id=strawberry.ID(global_id(models.ApiToken, revoked)))
