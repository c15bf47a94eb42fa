"""People: adding them."""

import models
from domain import people
from domain.people import Newcomer
from infra.unit import Unit
from resolvers.writing import keys_of, mutation
from schema.context import Context
from schema.inputs import given
from schema.people import CreatePersonInput, CreatePersonResult, CreatePersonSuccess


@mutation("Adds a person, and sends them a sign-in link if asked. Staff: customers; admins: all.")
async def create_person(unit: Unit, context: Context, input: CreatePersonInput) -> CreatePersonResult:
    newcomer = Newcomer(
        name=input.name,
        email=input.email,
        role=input.role,
        department_ids=keys_of(input.department_ids, models.Department, "departmentIds"),
        locale=given(input.locale),
        invite=input.invite,
    )
    return CreatePersonSuccess(person=await people.create(unit, context.viewer, newcomer))
