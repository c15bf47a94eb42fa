"""SLA policies: listing and keeping them."""

import models
from domain.access import Viewer
from domain.sla import policies
from infra.unit import Unit
from planner.fields import planned
from planner.pages import Connection, PageArguments
from resolvers.writing import keys_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given
from schema.sla import SaveSlaPolicyInput, SaveSlaPolicyResult, SaveSlaPolicySuccess, SlaPolicy


@planned("SLA policies, in the order in which they are tried. Staff.")
def sla_policies(viewer: Viewer, page: PageArguments) -> Connection[SlaPolicy] | None:
    return page.of(policies.visible(viewer), order=policies.order())


@mutation(
    "Makes or replaces an SLA policy. Unresolved tickets keep the targets that they got, unless recalculate is set. "
    "Admins."
)
async def save_sla_policy(unit: Unit, context: Context, input: SaveSlaPolicyInput) -> SaveSlaPolicyResult:
    form = policies.Form(
        name=input.name,
        description=given(input.description),
        position=given(input.position),
        active=input.active,
        department_ids=keys_of(input.department_ids, models.Department, "departmentIds"),
        category_ids=keys_of(input.category_ids, models.Category, "categoryIds"),
        targets=[target.target() for target in input.targets],
        calendar_id=optional_key(input.calendar_id, models.BusinessCalendar, "calendarId"),
        pauses_on_hold=input.pauses_on_hold,
    )
    policy_id = optional_key(input.sla_policy_id, models.SlaPolicy, "slaPolicyId")
    saved = await policies.save(unit, context.viewer, policy_id, form, recalculate=input.recalculate)
    return SaveSlaPolicySuccess(sla_policy=saved)
