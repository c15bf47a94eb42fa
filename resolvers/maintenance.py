"""Maintenance: reading notices, announcing them and moving them on."""

from functools import partial
from typing import Annotated

import models
from domain import broadcasting, maintenance
from domain.access import Viewer
from domain.maintenance import announcing, following
from infra.unit import Unit
from planner.fields import argument, planned
from planner.live import Live, changes, subscription
from planner.nodes import NodeId, NodeIds
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, keys_of, mutation
from schema.context import Context
from schema.inputs import given, present
from schema.maintenance import (
    MaintenanceFilter,
    MaintenanceNotice,
    MaintenanceReach,
    PostMaintenanceUpdateInput,
    PostMaintenanceUpdateResult,
    PostMaintenanceUpdateSuccess,
    ScheduleMaintenanceInput,
    ScheduleMaintenanceResult,
    ScheduleMaintenanceSuccess,
    UpdateMaintenanceInput,
    UpdateMaintenanceResult,
    UpdateMaintenanceSuccess,
)


@planned("One maintenance notice. Everyone within its audience.")
def maintenance_notice(viewer: Viewer, id: Annotated[NodeId, argument("The notice's id.")]) -> MaintenanceNotice | None:
    return maintenance.one(viewer, id.of(models.MaintenanceNotice))


@planned("Maintenance notices, by start, next first. Everyone within their audience.")
def maintenance_notices(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[MaintenanceFilter | None, argument("What to list; default: scheduled and in progress.")] = None,
) -> Connection[MaintenanceNotice] | None:
    asked = filter.conditions() if filter else maintenance.Conditions()
    return page.of(maintenance.listed(viewer, asked), order=maintenance.order())


@planned("Whom a notice would reach if it were sent now. Managers.")
def maintenance_reach(
    viewer: Viewer,
    service_ids: Annotated[NodeIds, argument("The services concerned: 1 to 50.", least=1, most=50)],
    audience: Annotated[models.MaintenanceAudience, argument("Who is meant.")],
) -> MaintenanceReach | None:
    return broadcasting.reach(viewer, audience, service_ids.of(models.Service))


@mutation("Announces maintenance and notifies its audience. Managers.")
async def schedule_maintenance(
    unit: Unit, context: Context, input: ScheduleMaintenanceInput
) -> ScheduleMaintenanceResult:
    form = announcing.Form(
        title=input.title,
        message=input.message,
        severity=input.severity,
        service_ids=keys_of(list(input.service_ids), models.Service, "serviceIds"),
        starts_at=input.starts_at,
        ends_at=input.ends_at,
        audience=input.audience,
        channels=input.channels,
        remind_before_seconds=given(input.remind_before_seconds),
        automatic=input.automatic,
    )
    return ScheduleMaintenanceSuccess(notice=await announcing.schedule(unit, context.viewer, form))


@mutation("Changes a notice that is scheduled or in progress, and notifies its audience if asked. Managers.")
async def update_maintenance(unit: Unit, context: Context, input: UpdateMaintenanceInput) -> UpdateMaintenanceResult:
    wanted = present(
        input, "title", "message", "severity", "service_ids", "starts_at", "ends_at", "remind_before_seconds",
        "automatic",
    )  # fmt: skip
    if wanted.get("service_ids") is not None:
        wanted["service_ids"] = keys_of(wanted["service_ids"], models.Service, "serviceIds")
    notice_id = key_of(input.notice_id, models.MaintenanceNotice, "noticeId")
    return UpdateMaintenanceSuccess(
        notice=await announcing.change(unit, context.viewer, notice_id, wanted, notify=input.notify)
    )


@mutation(
    "Posts an update on maintenance, with or without a new status: SCHEDULED to IN_PROGRESS to COMPLETED, either of "
    "the first two to CANCELLED; any other move is a Conflict of WRONG_STATE. Managers."
)
async def post_maintenance_update(
    unit: Unit, context: Context, input: PostMaintenanceUpdateInput
) -> PostMaintenanceUpdateResult:
    update = await announcing.post(
        unit,
        context.viewer,
        key_of(input.notice_id, models.MaintenanceNotice, "noticeId"),
        status=given(input.status),
        message=given(input.message),
        notify=input.notify,
    )
    return PostMaintenanceUpdateSuccess(notice=update.notice_id, update=update.id)


@subscription(
    "Each notice that is scheduled or in progress, once, and then each notice whenever it changes. "
    "Everyone within their audience."
)
def maintenance_notice_updated(
    viewer: Viewer,
    service_ids: Annotated[
        NodeIds | None,
        argument("Only notices that concern one of these services, at most 50; default: all.", most=50),
    ] = None,
) -> Live[MaintenanceNotice]:
    keys = None if service_ids is None else service_ids.of(models.Service)
    return changes(
        names=following.channels(viewer),
        held=None,  # so that all that is ahead is told once
        recent=partial(following.recent, viewer),
        rows=partial(following.changes, viewer, keys),
    )
