"""Departments: listing and keeping them."""

from typing import Annotated

import models
from domain import departments
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from resolvers.writing import mutation, optional_key
from schema.context import Context
from schema.departments import Department, SaveDepartmentInput, SaveDepartmentResult, SaveDepartmentSuccess
from schema.inputs import given


@planned("Departments, by name.", name="departments")
def departments_(
    viewer: Viewer,
    page: PageArguments,
    include_archived: Annotated[bool, argument("Also those that are archived. Admins; default false.")] = False,
) -> Connection[Department] | None:
    rows = departments.visible(viewer, include_archived=include_archived)
    return page.of(rows, order=[models.Department.name, models.Department.id])


@mutation("Makes or replaces a department. Admins.")
async def save_department(unit: Unit, context: Context, input: SaveDepartmentInput) -> SaveDepartmentResult:
    form = departments.Form(
        name=input.name,
        description=given(input.description),
        assignment=input.assignment,
        agent_capacity=given(input.agent_capacity),
        calendar_id=optional_key(input.calendar_id, models.BusinessCalendar, "calendarId"),
        archived=input.archived,
    )
    department_id = optional_key(input.department_id, models.Department, "departmentId")
    return SaveDepartmentSuccess(department=await departments.save(unit, context.viewer, department_id, form))
