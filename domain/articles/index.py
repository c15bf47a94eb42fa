"""What articles are found by: their words, kept as they change, and in how many articles each word is."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import REGCONFIG, insert

from domain import positions
from infra.unit import Unit
from models import Article, ArticleAudience, ArticleLanguage, ArticleStatus, ArticleTerm, ArticleWords
from models.full_text import CONFIGURATION, normalized

LONGEST_TERM = 40  # longer ones are no words that people type


async def keep(unit: Unit, article: Article) -> None:
    """Have the article be found by what it says now, by those who may read it now.

    One unit at a time does so, since terms are shared: it is held until the unit ends, so do it last.
    """
    published = article.status is ArticleStatus.PUBLISHED
    audience = article.audience if published else ArticleAudience.STAFF
    heading = "\n".join([article.title, ", ".join(article.tags), article.summary])
    await unit.flush()
    await positions.hold(unit, ArticleTerm)
    await unit.run(_spoken, article.language)
    await unit.run(_uncounted, article.id)
    await unit.run(_written, article.id, audience, article.language, heading, article.body)
    await unit.run(_counted, article.id)


def _spoken(language: Any) -> Any:
    return insert(ArticleLanguage).values(language=language).on_conflict_do_nothing()


def _terms(article_id: Any) -> Any:
    word = func.unnest(func.tsvector_to_array(ArticleWords.words), type_=sa.Text()).label("word")
    terms = select(word, ArticleWords.audience).where(ArticleWords.article_id == article_id).subquery()
    return select(terms.c.word, terms.c.audience).where(func.length(terms.c.word) <= LONGEST_TERM)


def _uncounted(article_id: Any) -> Any:
    terms = _terms(article_id).subquery()
    return (
        sa.update(ArticleTerm)
        .values(articles=ArticleTerm.articles - 1)
        .where(ArticleTerm.word == terms.c.word, ArticleTerm.audience == terms.c.audience)
    )


def _counted(article_id: Any) -> Any:
    one = sa.literal_column("1", sa.Integer())
    rows = _terms(article_id).add_columns(one)
    counted = insert(ArticleTerm).from_select(["word", "audience", "articles"], rows)
    return counted.on_conflict_do_update(
        index_elements=[ArticleTerm.word, ArticleTerm.audience], set_={"articles": ArticleTerm.articles + 1}
    )


def _written(article_id: Any, audience: Any, language: Any, heading: Any, body: Any) -> Any:
    top = _both_ways(language, heading)
    values = {"audience": audience, "heading": top, "words": top.op("||")(_both_ways(language, body))}
    return (
        insert(ArticleWords)
        .values(article_id=article_id, **values)
        .on_conflict_do_update(index_elements=[ArticleWords.article_id], set_=values)
    )


def _both_ways(language: Any, text: Any) -> Any:
    """The words as they are written, and their forms in the language."""
    said = normalized(sa.cast(text, sa.Text()))
    plain = func.to_tsvector(CONFIGURATION, said)
    return plain.op("||")(func.to_tsvector(sa.cast(sa.cast(language, sa.Text()), REGCONFIG), said))
