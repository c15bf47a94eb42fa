"""Finding articles: by words in any form or misspelt, and those that may answer a question which is being typed."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY
from sqlalchemy.orm import aliased

from domain import access, articles, headlines
from domain.access import Viewer
from domain.articles import index
from models import Article, ArticleCategory, ArticleLanguage, ArticleTerm, ArticleWords
from models.full_text import CONFIGURATION, normalized, normalized_query

MOST_TEXT, MOST_QUESTION, LEAST_QUESTION = 200, 2_000, 3
NEAREST = 5  # words that a misspelt one may have been meant as
SHORTEST_MISSPELT, SHORT = 4, 6  # shorter ones are near to too much; short ones have one letter wrong
MOST_SUGGESTED = 10
RAREST, MOST_FOUND = 8, 1_500  # of a question the rarest words count, as long as no more articles have them
MOST_MISSPELT = 3  # words of a question, the longest, for which others like them are looked up: most of what it costs
MOST_READ = 500  # of those that have them, the ones that fit best
HEADING = 3.0  # how much more a word counts in a heading
PREFERRED = 1.5  # how much better an article fits of the category that is asked about
LOOKED_THROUGH = 10_000  # characters of a text for the passage that fits
BEGINNING = 40  # characters of a summary that tell whether it is of the text
APART = " · "  # between what does not belong to one sentence
HEADLINE = headlines.options(MaxFragments=2, MinWords=5, MaxWords=20, FragmentDelimiter='" … "')
PASSAGE = headlines.options(MaxFragments=1, MinWords=10, MaxWords=35)


def kind(text: str) -> str | None:
    """What a plan must know of a text: whether there is anything to look for."""
    return "words" if text.strip() else None


def listed(viewer: Viewer, rows: Select[Article], text: Any) -> Select[*tuple[Any, ...]]:
    """Those of the articles that have the words, with the `words` that are looked for."""
    found = select(ArticleWords.article_id).where(ArticleWords.words.op("@@")(query(viewer, text)))
    return rows.where(Article.id.in_(found)).add_columns(sa.cast(text, sa.Text()).label("words"))


def relevance(viewer: Viewer, text: Any) -> ColumnElement[float]:
    """How well an article fits: title, tags and summary count most."""
    words = aliased(ArticleWords)
    asked = query(viewer, text)
    rank = func.ts_rank(words.heading, asked) * 4 + func.ts_rank(words.words, asked)
    best = select(sa.cast(rank, sa.Float())).where(words.article_id == Article.id)
    return func.coalesce(best.scalar_subquery(), 0.0)


def highlight(viewer: Viewer, article: Any, text: Any) -> Any:
    """Where it was found, as HTML."""
    tags = func.nullif(func.array_to_string(article.tags, ", "), "")
    said = func.concat_ws(APART, article.title, tags, _read(article, article.body_html))
    return _marked(article, said, query(viewer, text), HEADLINE)


def query(viewer: Viewer, text: Any) -> Any:
    """What is looked for: the words in their forms in any language that articles have, unfinished, or misspelt.

    Everyone's depends on words and languages alone that they may read.
    """
    said = normalized_query(sa.cast(text, sa.Text()))
    asked = func.websearch_to_tsquery(CONFIGURATION, said)
    written = sa.cast(asked, sa.Text())
    unfinished = sa.and_(written.regexp_match("[^'\\s]{2}'$"), sa.not_(said.regexp_match('"\\s*$')))
    started = sa.cast(sa.case((unfinished, written.concat(":*")), else_=written), TSQUERY())
    form = func.websearch_to_tsquery(sa.cast(_languages(viewer).c.language, REGCONFIG), said)
    forms = select(sa.cast(func.string_agg(func.nullif(sa.cast(form, sa.Text()), ""), " | "), TSQUERY()))
    meant = _or_nothing(_corrected(viewer, said))
    return select(started.op("||")(_or_nothing(forms)).op("||")(meant)).scalar_subquery()


def _languages(viewer: Viewer) -> Any:
    """The languages of the articles that the viewer may read."""
    rows = select(ArticleLanguage.language)
    if not viewer.is_staff:
        its = Article.language == ArticleLanguage.language
        rows = rows.where(sa.exists().where(its, articles.readable(viewer, Article)))
    return rows.subquery("spoken")


def _or_nothing(rows: Any) -> Any:
    return func.coalesce(rows.scalar_subquery(), sa.cast(sa.literal_column("''"), TSQUERY()))


def _corrected(viewer: Viewer, said: Any) -> Select[Any]:
    """All of the words, each of them that nobody wrote as those which it may have been meant as.

    Nothing where none is unknown, or where something is asked for in other ways than by plain words.
    """
    word = func.unnest(func.tsvector_to_array(func.to_tsvector(CONFIGURATION, said)), type_=sa.Text()).column_valued(
        "word"
    )
    words = select(word.label("word")).subquery("asked")
    near = _near(viewer, words.c.word)
    unknown = sa.and_(func.length(words.c.word) >= SHORTEST_MISSPELT, ~_known(viewer, words.c.word))
    meant = func.concat(func.quote_literal(words.c.word), sa.case((unknown, func.coalesce(near, "")), else_=""))
    together = func.string_agg(func.concat("(", meant, ")"), " & ")
    plain = sa.not_(said.regexp_match('["]|(^|\\s)-|\\mor\\M', flags="i"))
    return select(sa.cast(together, TSQUERY())).where(plain).having(func.bool_or(unknown))


def _known(viewer: Viewer, word: Any) -> Any:
    return sa.exists().where(
        ArticleTerm.word == word, ArticleTerm.audience.in_(articles.audiences(viewer)), ArticleTerm.articles > 0
    )


def _distance(word: Any) -> Any:
    return func.levenshtein(ArticleTerm.word, func.left(word, index.LONGEST_TERM))


def _allowed(word: Any) -> Any:
    return sa.case((func.length(word) < SHORT, 1), else_=2)


def _near(viewer: Viewer, word: Any) -> Any:
    """The words like it, as what goes on in a query."""
    distance, allowed = _distance(word), _allowed(word)
    rows = (
        select(func.concat(" | ", func.quote_literal(ArticleTerm.word)))
        .where(
            ArticleTerm.word.op("%")(word),
            ArticleTerm.audience.in_(articles.audiences(viewer)),
            ArticleTerm.articles > 0,
            distance <= allowed,
        )
        .order_by(distance, ArticleTerm.word)
        .limit(NEAREST)
    )
    return func.array_to_string(func.array(rows.scalar_subquery()), "")


# --- Suggesting -------------------------------------------------------------------------------------------------------


def suggested(viewer: Viewer, text: Any, category_id: Any | None, most: Any) -> Select[*tuple[Any, ...]]:
    """The published articles that may answer this, best first: `article_id`, `score`, and what was `asked`.

    A word counts the more the fewer articles have it, three times in a heading; only the rarest are looked up, so that
    it costs the same however long the question and however many the articles.
    """
    said = normalized(func.left(sa.cast(text, sa.Text()), MOST_QUESTION))
    asked = _rarest(viewer, said)
    term = sa.cast(func.quote_literal(asked.c.word), TSQUERY())
    # Of a word that is nearly everywhere any articles do: it tells none from another.
    those = (
        select(ArticleWords.article_id, ArticleWords.heading)
        .where(ArticleWords.words.op("@@")(term), ArticleWords.audience.in_(articles.audiences(viewer)))
        .limit(sa.literal_column(str(MOST_FOUND)))
        .lateral("those")
    )
    top = sa.case((those.c.heading.op("@@")(term), HEADING), else_=1.0)
    share = (func.sum(asked.c.weight * top) / func.max(asked.c.whole)).label("share")
    found = (
        select(those.c.article_id, share, func.max(asked.c.together).label("asked"))
        .join_from(asked, those, sa.true())
        .group_by(those.c.article_id)
        .order_by(share.desc(), those.c.article_id)
        .limit(sa.literal_column(str(MOST_READ)))
        .subquery("found")
    )
    score: Any = found.c.share / (HEADING * PREFERRED)
    if category_id is not None:
        theirs = sa.exists().where(
            ArticleCategory.id == Article.category_id, category_id == func.any(ArticleCategory.ticket_category_ids)
        )
        score = sa.case((theirs, score * PREFERRED), else_=score)
    return (
        select(found.c.article_id, sa.cast(score, sa.Float()).label("score"), found.c.asked)
        .join_from(found, Article, Article.id == found.c.article_id)
        .where(articles.readable(viewer, Article), func.length(func.btrim(said)) >= LEAST_QUESTION)
        .order_by(score.desc(), found.c.article_id)
        .limit(most)
    )


def passage_of(article_id: Any, asked: Any) -> Any:
    """The part of an article that has most of what is asked, as HTML."""
    said = _read(Article, func.left(Article.body_html, LOOKED_THROUGH))
    marked = _marked(Article, said, sa.cast(asked, TSQUERY()), PASSAGE)
    return select(marked).where(Article.id == article_id).scalar_subquery()


def _read(article: Any, body_html: Any) -> Any:
    """The summary and the text as they are read, once if the text has it."""
    # A heading runs on into what stands below it; the rest of a text has spaces where lines end.
    said = func.regexp_replace(body_html, "([^.:?!])</h[1-6]>", r"\1:", "g")
    said = func.regexp_replace(func.regexp_replace(said, "<[^>]*(>|$)", "", "g"), r"\s+", " ", "g")
    for written, sign in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&amp;", "&")):
        said = func.replace(said, written, sign)
    again = func.strpos(said, func.nullif(func.left(article.summary, BEGINNING), "")) > sa.literal_column("0")
    return sa.case((again, said), else_=func.concat_ws(APART, func.nullif(article.summary, ""), said))


def related(viewer: Viewer, article: Any, most: Any) -> Select[Article]:
    """The published articles on the same matter, best first."""
    said = func.concat_ws(" ", article.title, func.array_to_string(article.tags, " "), article.summary)
    found = suggested(viewer, said, None, most + 1).subquery("related")
    rows = articles.visible(viewer).join(found, found.c.article_id == Article.id).where(Article.id != article.id)
    return rows.order_by(found.c.score.desc(), Article.id).limit(most)


def for_ticket(viewer: Viewer, ticket: Any, most: Any) -> Select[*tuple[Any, ...]]:
    """The same for a ticket, for whoever works on it."""
    said = func.concat_ws(" ", ticket.subject, ticket.body)
    rows = suggested(viewer, said, ticket.category_id, most)
    works = access.works_on(viewer, ticket)
    return rows.where((sa.true() if works else sa.false()) if isinstance(works, bool) else works)


def _rarest(viewer: Viewer, said: Any) -> Any:
    """The rarest words of a text that articles have, with what each counts; for one that none has, words like it.

    Each with what all of them count, `whole`, and all of them `together`, as a query.
    """
    typed, word = sa.column("typed", sa.Text()), sa.column("word", sa.Text())
    told = func.tsvector_to_array(func.to_tsvector(CONFIGURATION, said))
    plain = func.unnest(told).table_valued(typed).render_derived(name="plain")
    spoken = _languages(viewer)
    form = func.to_tsvector(sa.cast(spoken.c.language, REGCONFIG), plain.c.typed)
    forms = func.unnest(func.tsvector_to_array(form)).table_valued(word).render_derived(name="forms")
    both = plain.join(spoken, sa.true()).join(forms, sa.true())
    words = select(plain.c.typed, forms.c.word).select_from(both).distinct().subquery("said")
    seen = sa.and_(ArticleTerm.audience.in_(articles.audiences(viewer)), ArticleTerm.articles > 0)
    many = func.sum(ArticleTerm.articles)
    known = (
        select(
            words.c.typed,
            words.c.word,
            many.label("articles"),
            # Known in the forms of one language, a word is not misspelt for being none of another.
            func.max(many).over(partition_by=words.c.typed).is_(None).label("unknown"),
            func.row_number().over(partition_by=words.c.typed, order_by=words.c.word).label("form"),
        )
        .join_from(words, ArticleTerm, sa.and_(ArticleTerm.word == words.c.word, seen), isouter=True)
        .group_by(words.c.typed, words.c.word)
        .subquery("known")
    )
    misspelt = sa.and_(known.c.unknown, known.c.form == 1, func.length(known.c.typed) >= SHORTEST_MISSPELT)
    longest = func.row_number().over(order_by=[misspelt.desc(), func.length(known.c.typed).desc(), known.c.typed])
    placed = select(known, sa.and_(misspelt, longest <= MOST_MISSPELT).label("misspelt")).subquery("placed")
    begun = ArticleTerm.word.like(placed.c.typed.concat("%"))
    like = (
        select(ArticleTerm.word, ArticleTerm.articles)
        .where(
            placed.c.misspelt,
            seen,
            sa.or_(ArticleTerm.word.op("%")(placed.c.typed), begun),
            sa.or_(_distance(placed.c.typed) <= _allowed(placed.c.typed), begun),
        )
        .order_by(ArticleTerm.articles.desc(), ArticleTerm.word)
        .limit(NEAREST)
        .lateral("meant")
    )
    either = (
        select(
            func.coalesce(like.c.word, placed.c.word).label("word"),
            func.coalesce(like.c.articles, placed.c.articles).label("articles"),
        )
        .join_from(placed, like, sa.true(), isouter=True)
        .subquery("either")
    )
    counted = (
        # Once, in however many forms it was typed.
        select(either.c.word, func.max(either.c.articles).label("articles"))
        .where(either.c.articles.is_not(None))
        .group_by(either.c.word)
        .subquery("counted")
    )
    rarest = [counted.c.articles, counted.c.word]
    ranked = select(
        counted.c.word,
        sa.cast(1.0 / func.ln(2.0 + counted.c.articles), sa.Float()).label("weight"),
        func.row_number().over(order_by=rarest).label("rank"),
        func.sum(counted.c.articles).over(order_by=rarest).label("so_far"),
    ).subquery("ranked")
    few = sa.or_(ranked.c.rank == 1, sa.and_(ranked.c.rank <= RAREST, ranked.c.so_far <= MOST_FOUND))
    return (
        select(
            ranked.c.word,
            ranked.c.weight,
            func.sum(ranked.c.weight).over().label("whole"),
            func.string_agg(func.quote_literal(ranked.c.word), " | ").over().label("together"),
        )
        .where(few)
        .subquery("asked")
    )


def _marked(article: Any, said: Any, asked: Any, options: str) -> Any:
    language = sa.cast(article.language, REGCONFIG)
    # A word that a misspelt one was taken for is looked for as it is written; in the text it may have another form.
    once = select(asked.label("asked")).offset(sa.literal_column("0")).subquery("once").c.asked
    forms = func.to_tsquery(language, sa.cast(once, sa.Text()))
    return headlines.marked(language, said, select(once.op("||")(forms)).scalar_subquery(), options)
