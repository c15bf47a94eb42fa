"""People: finding and adding them, and whether they take new tickets."""

from typing import Annotated

import models
from domain import availability, people, profiles
from domain.access import Viewer
from domain.people import Newcomer, PersonOrderField
from infra.unit import Unit
from planner.fields import argument, planned
from planner.nodes import NodeId
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given, present
from schema.people import (
    CreatePersonInput,
    CreatePersonResult,
    CreatePersonSuccess,
    Person,
    PersonFilter,
    PersonOrder,
    SetAvailabilityInput,
    SetAvailabilityResult,
    SetAvailabilitySuccess,
    UpdatePersonInput,
    UpdatePersonResult,
    UpdatePersonSuccess,
)
from schema.times import OrderDirection


@planned("One person. Customers: themselves and the people on their tickets.")
def person(viewer: Viewer, id: Annotated[NodeId, argument("The person's id.")]) -> Person | None:
    return people.known(viewer, id.of(models.Person))


@planned("People. Staff.", name="people")
def people_(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[PersonFilter | None, argument("Whom to list; default: all.")] = None,
    order_by: Annotated[PersonOrder | None, argument("How to order; default: by name.")] = None,
) -> Connection[Person] | None:
    asked = filter.conditions() if filter else people.Conditions()
    by = order_by.field if order_by else PersonOrderField.NAME
    descending = order_by is not None and order_by.direction is OrderDirection.DESC
    return page.of(people.listed(viewer, asked), order=people.order(by, descending=descending))


@mutation("Says whether an agent takes new tickets. Staff for themselves; leads for their agents.")
async def set_availability(unit: Unit, context: Context, input: SetAvailabilityInput) -> SetAvailabilityResult:
    number = present(input, "capacity")
    said = availability.Said(input.status, given(input.until), number.get("capacity"), with_capacity=bool(number))
    person_id = optional_key(input.person_id, models.Person, "personId")
    return SetAvailabilitySuccess(person=await availability.save(unit, context.viewer, person_id, said))


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


@mutation("Changes a person. Staff: names and languages of customers; admins: all. The last active admin stays one.")
async def update_person(unit: Unit, context: Context, input: UpdatePersonInput) -> UpdatePersonResult:
    said = present(input, "name", "email", "role", "locale", "active")
    if "department_ids" in present(input, "department_ids"):
        said["department_ids"] = keys_of(input.department_ids, models.Department, "departmentIds")
    person_id = key_of(input.person_id, models.Person, "personId")
    return UpdatePersonSuccess(person=await profiles.update(unit, context.viewer, person_id, said))
