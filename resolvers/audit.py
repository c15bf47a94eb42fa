"""The audit log: reading it."""

from typing import Annotated

import models
from domain import audit
from domain.access import Viewer
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from schema.audit import AuditEntry, AuditFilter


@planned("Who changed what in the administration and who was let in, newest first. Admins.")
def audit_entries(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[AuditFilter | None, argument("What to list; default: all.")] = None,
) -> Connection[AuditEntry] | None:
    asked = filter.conditions() if filter else audit.Conditions()
    return page.of(audit.listed(viewer, asked), order=[models.AuditEntry.at.desc(), models.AuditEntry.id.desc()])
