"""Categories of articles: a tree, at most three deep, and how leads keep it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, articles, positions, words
from domain import categories as ticket_categories
from domain.access import Viewer
from domain.articles import texts
from domain.refusals import Conflict, ConflictReason, InvalidInput, NotFound, Problems
from infra.unit import Unit
from models import Article, ArticleCategory, Category, Role

DEEPEST, MOST_TICKET_CATEGORIES = 3, 20

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, *, include_archived: bool = False) -> Select[ArticleCategory]:
    """The categories in use, for everyone; archived ones for staff."""
    rows = select(ArticleCategory)
    if include_archived:
        access.require(viewer, Role.AGENT)
        return rows
    return rows.where(ArticleCategory.archived_at.is_(None))


def one(viewer: Viewer, category_id: Any) -> Select[ArticleCategory]:
    """The category; for staff even when archived."""
    return visible(viewer, include_archived=viewer.is_staff).where(ArticleCategory.id == category_id)


def children_of(viewer: Viewer, category: Any) -> Select[ArticleCategory]:
    """The categories in use right below it."""
    return visible(viewer).where(ArticleCategory.parent_id == category.id)


def place(viewer: Viewer, category: Any) -> Any:
    """Its place among its siblings that the viewer sees."""
    return positions.seen(visible(viewer, include_archived=viewer.is_staff), category, "parent_id")


def ticket_categories_of(viewer: Viewer, category: Any) -> Select[Category]:
    """The categories of tickets whose questions it answers, as far as the viewer sees them."""
    rows = ticket_categories.named(category.ticket_category_ids)
    return rows if viewer.is_staff else rows.where(Category.archived_at.is_(None))


def _all() -> Select[ArticleCategory]:
    return select(ArticleCategory).order_by(ArticleCategory.path, ArticleCategory.id)


def _article_in(category_id: Any) -> Select[UUID]:
    return select(Article.id).where(Article.category_id == category_id).limit(1)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a category is, as a lead fills it in."""

    name: str
    description: str | None
    parent_id: UUID | None
    ticket_category_ids: list[UUID]
    position: int | None
    archived: bool


async def save(unit: Unit, viewer: Viewer, category_id: UUID | None, form: Form) -> UUID:
    """Make a category, or replace the one of this id.

    Raises InvalidInput, NotFound, NotAllowed, Conflict TAKEN, and IN_USE for archiving one that is not empty.
    """
    articles.may_publish(viewer)
    problems = Problems()
    name = words.line(problems, "name", form.name, most=100, what="The name")
    description = words.optional_line(problems, "description", form.description, most=500, what="The description")
    if form.position is not None and form.position < 0:
        problems.add("position", "Places are counted from 0.")
    named = list(dict.fromkeys(form.ticket_category_ids))
    if len(named) > MOST_TICKET_CATEGORIES:
        problems.add("ticketCategoryIds", f"At most {MOST_TICKET_CATEGORIES} are possible.")
    problems.refuse()
    unit.translate("article_categories_name_key", Conflict(ConflictReason.TAKEN, "Another category has this name."))
    await _known(unit, named)
    await positions.hold(unit, ArticleCategory)
    tree = {row.id: row for row in await unit.lock_all(_all)}
    row = None
    if category_id is not None:
        row = access.found(tree.get(category_id), "articleCategoryId", "category")
    if form.archived:
        await _is_empty(unit, tree, row)
    if form.parent_id is not None:
        _fits_below(tree, row, form.parent_id)
    values: dict[str, Any] = {
        "name": name,
        "description": description,
        "parent_id": form.parent_id,
        "ticket_category_ids": named,
    }
    if row is None:
        slug = texts.free(texts.slug(name, "category"), {other.slug for other in tree.values()})
        archived_at = unit.now if form.archived else None
        row = unit.insert(ArticleCategory, slug=slug, position=0, path="", archived_at=archived_at, **values)
        tree[row.id] = row
    else:
        unit.change(row, archived_at=(row.archived_at or unit.now) if form.archived else None, **values)
    _put_in_order(unit, tree, row, form.position)
    return row.id


async def _known(unit: Unit, category_ids: list[UUID]) -> None:
    found = {row.id for row in await unit.read_all(ticket_categories.named, category_ids)}
    for number, each in enumerate(category_ids):
        if each not in found:
            raise NotFound(f"ticketCategoryIds.{number}", "category")


async def _is_empty(unit: Unit, tree: dict[UUID, ArticleCategory], row: ArticleCategory | None) -> None:
    if row is None:
        return
    below = any(other.parent_id == row.id and other.archived_at is None for other in tree.values())
    if below or await unit.run(_article_in, row.id):
        said = "Move its articles and the categories below it first."
        raise Conflict(ConflictReason.IN_USE, said, current=(ArticleCategory, row.id))


def _fits_below(tree: dict[UUID, ArticleCategory], row: ArticleCategory | None, parent_id: UUID) -> None:
    """Raises NotFound, or InvalidInput when the parent is archived, below the row itself, or too deep."""
    parent = access.found(tree.get(parent_id), "parentId", "category")
    if parent.archived_at is not None:
        raise InvalidInput(("parentId", "This category is archived."))
    above = [parent.id]
    while (upper := tree[above[-1]].parent_id) is not None:
        above.append(upper)
    if row is not None and row.id in above:
        raise InvalidInput(("parentId", "A category can't be below itself."))
    if len(above) + (1 if row is None else _height(tree, row.id)) > DEEPEST:
        raise InvalidInput(("parentId", f"At most {DEEPEST} categories can be below each other."))


def _height(tree: dict[UUID, ArticleCategory], category_id: UUID) -> int:
    return 1 + max((_height(tree, row.id) for row in tree.values() if row.parent_id == category_id), default=0)


def _put_in_order(unit: Unit, tree: dict[UUID, ArticleCategory], row: ArticleCategory, position: int | None) -> None:
    """Give the row its place among its siblings, close the gap that it left, and give all the paths that follow."""
    below: dict[UUID | None, list[ArticleCategory]] = defaultdict(list)
    for other in tree.values():
        below[other.parent_id].append(other)
    for siblings in below.values():
        siblings.sort(key=lambda each: (each.position, each.id))
        for number, each in enumerate(siblings):
            if each.position != number and each.parent_id != row.parent_id:
                unit.change(each, position=number)
    positions.place(unit, [each for each in below[row.parent_id] if each.id != row.id], row, position)

    def walk(parent_id: UUID | None, path: str) -> None:
        for each in below[parent_id]:
            its = f"{path}{each.position:04}."
            if each.path != its:
                unit.change(each, path=its)
            walk(each.id, its)

    walk(None, "")
