"""Who is told that an article is to be reviewed."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from domain import inboxes, messages, preferences
from infra.unit import Unit
from models import ArticleReview, ArticleReviewStatus, MessageChannel, MessageKind, NotificationKind, Person, Role

KIND = NotificationKind.REVIEW_REQUESTED
HEADS = (Role.MANAGER, Role.DIRECTOR)


def _review(review_id: Any) -> Select[ArticleReview]:
    return select(ArticleReview).where(ArticleReview.id == review_id)


def _people(assignee_id: Any, requester_id: Any) -> Select[*tuple[Any, ...]]:
    """Whoever is to do it; where nobody is left who wrote it, those who can give it to somebody: the managers and
    directors, or where there is none, the admins.
    """
    rows = select(Person.id, Person.email, preferences.said_by(Person).label("said")).where(Person.active)
    other = aliased(Person)
    headed = sa.exists().where(other.active, other.role.in_(HEADS))
    heads = sa.or_(Person.role.in_(HEADS), sa.and_(Person.role == Role.ADMIN, sa.not_(headed)))
    rows = rows.where(heads if assignee_id is None else Person.id == assignee_id)
    return rows.where(Person.id.is_distinct_from(requester_id)).order_by(Person.id)


async def tell(unit: Unit, review_id: UUID) -> None:
    """Tell them of a review while it is open; once in the unit that ends the job for it. Whoever asked for it knows."""
    review = await unit.lock(_review, review_id)
    if review is None or review.status is not ArticleReviewStatus.OPEN:
        return
    people = await unit.run(_people, review.assignee_id, review.requested_by_id)
    told = preferences.by_channel(people, KIND)
    for each in told[MessageChannel.EMAIL]:
        kind, person_id = MessageKind.REVIEW_REQUESTED, each["id"]
        messages.queue(unit, kind, person_id, event_ids=[review.id], address=each["email"])
    news = [
        inboxes.News(each["id"], KIND, review.id, actor_id=review.requested_by_id)
        for each in told[MessageChannel.IN_APP]
    ]
    await inboxes.tell(unit, news)
