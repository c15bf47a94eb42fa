"""What `node` finds, by model: one function for each that selects by key what the viewer may see."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import (
    api_tokens,
    articles,
    attachments,
    audit,
    calendars,
    categories,
    comments,
    dead_letters,
    departments,
    escalations,
    history,
    maintenance,
    notifications,
    people,
    routing,
    services,
    templates,
    tickets,
    views,
)
from domain.access import Viewer
from domain.articles import categories as article_categories
from domain.articles import feedback, reviews
from domain.escalations import rules
from domain.sla import policies
from models import (
    ApiToken,
    Article,
    ArticleCategory,
    ArticleFeedback,
    ArticleReview,
    ArticleVersion,
    Attachment,
    AuditEntry,
    BusinessCalendar,
    Category,
    Comment,
    DeadLetter,
    Department,
    Escalation,
    EscalationRule,
    Event,
    MaintenanceHappening,
    MaintenanceNotice,
    MessageTemplate,
    Notification,
    Person,
    RoutingRule,
    Service,
    SlaPolicy,
    Ticket,
    TicketView,
)

Lookup = Callable[[Viewer, Any], Select[Any]]


def _own_notification(viewer: Viewer, key: Any) -> Select[Any]:
    return notifications.visible(viewer).where(Notification.id == key)


def _rule(viewer: Viewer, key: Any) -> Select[Any]:
    return routing.seen(viewer).where(RoutingRule.id == key)


def _calendar(viewer: Viewer, key: Any) -> Select[Any]:
    return calendars.seen(viewer).where(BusinessCalendar.id == key)


def _policy(viewer: Viewer, key: Any) -> Select[Any]:
    return policies.seen(viewer).where(SlaPolicy.id == key)


def _escalation_rule(viewer: Viewer, key: Any) -> Select[Any]:
    return rules.seen(viewer).where(EscalationRule.id == key)


def _template(viewer: Viewer, key: Any) -> Select[Any]:
    return templates.seen(viewer).where(MessageTemplate.id == key)


def _entry(viewer: Viewer, key: Any) -> Select[Any]:
    return audit.seen(viewer).where(AuditEntry.id == key)


def _department(viewer: Viewer, key: Any) -> Select[Any]:
    return departments.one(viewer, key) if viewer.role is not None else select(Department).where(sa.false())


LOOKUPS: dict[type, Lookup] = {
    Ticket: tickets.one,
    Person: people.one,
    Department: _department,
    Category: categories.one,
    Service: services.one,
    MaintenanceNotice: maintenance.one,
    MaintenanceHappening: maintenance.update,
    RoutingRule: _rule,
    SlaPolicy: _policy,
    BusinessCalendar: _calendar,
    EscalationRule: _escalation_rule,
    MessageTemplate: _template,
    TicketView: views.one,
    AuditEntry: _entry,
    DeadLetter: dead_letters.seen,
    Escalation: tickets.hanging(Escalation, escalations.visible),
    ApiToken: api_tokens.one,
    Notification: _own_notification,
    Event: tickets.hanging(Event, history.visible),
    Comment: tickets.hanging(Comment, comments.visible),
    Attachment: tickets.hanging(Attachment, attachments.visible),
    Article: articles.one,
    ArticleCategory: article_categories.one,
    ArticleVersion: articles.version,
    ArticleFeedback: feedback.one,
    ArticleReview: reviews.one,
}
