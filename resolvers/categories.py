"""Categories of tickets: listing and keeping them."""

from typing import Annotated

import models
from domain import categories
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, mutation, optional_key
from schema.categories import Category, SaveCategoryInput, SaveCategoryResult, SaveCategorySuccess
from schema.context import Context
from schema.inputs import given


@planned(
    "Categories to choose from when submitting a ticket, in their order; "
    "the one for everything else is last. Everyone.",
    name="categories",
)
def categories_(
    viewer: Viewer,
    page: PageArguments,
    include_archived: Annotated[bool, argument("Also those that are archived. Admins; default false.")] = False,
) -> Connection[Category] | None:
    rows = categories.visible(viewer, include_archived=include_archived)
    order = [models.Category.is_other, models.Category.position, models.Category.id]
    among = None if viewer.has(models.Role.ADMIN) else rows  # positions tell of archived ones
    return page.of(rows, order=order, among=among)


@mutation("Makes or replaces a category of tickets. Admins.")
async def save_category(unit: Unit, context: Context, input: SaveCategoryInput) -> SaveCategoryResult:
    form = categories.Form(
        name=input.name,
        description=given(input.description),
        department_id=key_of(input.department_id, models.Department, "departmentId"),
        default_priority=input.default_priority,
        position=given(input.position),
        archived=input.archived,
    )
    category_id = optional_key(input.category_id, models.Category, "categoryId")
    return SaveCategorySuccess(category=await categories.save(unit, context.viewer, category_id, form))
