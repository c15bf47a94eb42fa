"""What we say in other languages: nothing is untranslated, and every placeholder stands where it stood."""

import ast
import datetime as dt
import re
import string
from pathlib import Path

import jinja2
import jinja2.nodes
import pytest

from domain import account_letters, news, wording
from models import EscalationLevel, Role

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("de", "es", "fr")


def literals(node):
    """The texts that an argument may be."""
    if isinstance(node, ast.IfExp):
        return [*literals(node.body), *literals(node.orelse)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def of_template(argument):
    """The texts that an argument in a template may be."""
    if isinstance(argument, jinja2.nodes.CondExpr):
        return [*of_template(argument.expr1), *of_template(argument.expr2)]
    return [argument.value]


def of_templates():
    """All that the templates of pages say."""
    jinja = jinja2.Environment()  # nothing is rendered
    for path in (ROOT / "web" / "templates").glob("*.html"):
        for call in jinja.parse(path.read_text()).find_all(jinja2.nodes.Call):
            if getattr(call.node, "name", None) == "said":
                yield from of_template(call.args[0])


def texts():
    """All that the code and the pages mark or say."""
    found = set(of_templates())
    for path in (*(ROOT / "domain").rglob("*.py"), *(ROOT / "web").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
                if name in {"marked", "said"}:
                    found |= {text for argument in node.args for text in literals(argument)}
    return found


def placeholders(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_these_are_the_languages():
    assert tuple(wording.TRANSLATIONS) == LANGUAGES
    assert len(texts()) > 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_untranslated_or_left_over(language):
    assert set(wording.TRANSLATIONS[language]) == texts()


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_those_of_the_english(language):
    for english, said in wording.TRANSLATIONS[language].items():
        assert placeholders(said) == placeholders(english), english


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("level", EscalationLevel)
def test_a_role_is_called_the_same_wherever_it_is_named(language, level):
    w = wording.Wording(language)
    role = w.said(account_letters.ROLES[Role[level.name]])
    assert role in w.said(news.LEVELS[level.name], name="Ada")


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_a_sentence_begins_with_a_capital_behind_a_greeting_as_well(language):
    """But in German, whose greeting ends with a comma and goes on."""
    sentences = [text for text in texts() if text.endswith(".")]
    said = [wording.TRANSLATIONS.get(language, {}).get(text, text) for text in sentences]
    assert len(said) > 50
    assert not [each for each in said if each[0].islower()]


def test_one_more_is_one():
    more = wording.Wording("fr").said("And {count} more, in {desk_name}.", count=1, desk_name="Deskwire")
    assert more == "Et 1 de plus, dans Deskwire."


def test_nobody_is_addressed_in_two_ways_or_quoted_in_two_signs():
    assert not [said for said in wording.TRANSLATIONS["fr"].values() if "'" in said]
    informal = re.compile(r"\b(tú|tu|tus|te|ti|revisa|abre|responde|confirma)\b", re.IGNORECASE)
    assert not [said for said in wording.TRANSLATIONS["es"].values() if informal.search(said)]
    informal = re.compile(r"\b(du|dir|dich|dein\w*)\b", re.IGNORECASE)
    assert not [said for said in wording.TRANSLATIONS["de"].values() if informal.search(said)]


def test_no_line_of_french_begins_with_what_ends_a_clause():
    """What stands apart by a space there stays on the line of its word."""
    french = wording.TRANSLATIONS["fr"].values()
    assert sum("\N{NO-BREAK SPACE}" in said for said in french) > 30
    assert not [said for said in french if re.search(r" [:;?!»]|« |\w[:;?!]( |$)", said)]


def test_french_denies_what_it_means_to():
    """Alone, "plus de" may as well be more of it: not what a button that ends emails should say."""
    alone = re.compile(r"(Ou )?plus (de |d\W|aucun)", re.IGNORECASE)
    assert not [said for said in wording.TRANSLATIONS["fr"].values() if alone.match(said)]


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        (None, "en"),
        ("de", "de"),
        ("de-AT", "de-AT"),
        ("DE-at", "de-AT"),
        ("fr-CA", "fr-CA"),
        ("de-FR", "de"),
        ("es-DE", "es"),
        ("fr-x-foo", "fr"),
        ("pt-BR", "en"),
        ("zh-Hant-TW", "en"),
        ("../de", "en"),
        ("x", "en"),
        ("", "en"),
    ],
)
def test_a_language_that_we_do_not_speak_is_the_desks(wanted, tag):
    assert wording.Wording(wanted).tag == tag


@pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "", "../../etc/passwd", "No/Where", "\0"])
def test_a_moment_is_told_in_any_zone(zone):
    assert "2026" in wording.Wording("fr", zone).moment(dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC))


def test_a_zone_that_nobody_knows_is_taken_for_utc():
    moment = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
    assert wording.Wording("en", "No/Where").moment(moment) == wording.Wording("en", "UTC").moment(moment)


def test_the_last_day_of_all_is_told_in_every_zone():
    last = dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.UTC)
    assert "11:59" in wording.Wording("en", "Pacific/Kiritimati").moment(last)
    assert "6:59" in wording.Wording("en", "America/New_York").moment(last)


@pytest.mark.parametrize(
    ("language", "zone", "said"),
    [
        ("de", "Europe/Berlin", "1. Juli 2026, 14:00 MESZ"),
        ("fr", "Europe/Paris", "1 juillet 2026, 14:00 UTC+02:00"),
        ("es", "Asia/Kolkata", "1 de julio de 2026, 17:30 GMT+05:30"),
        ("en", "America/New_York", "July 1, 2026, 8:00 AM EDT"),
    ],
)
def test_a_zone_without_a_short_name_is_told_by_its_distance(language, zone, said):
    told = wording.Wording(language, zone).moment(dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC))
    assert told.replace("\u202f", " ").replace("\xa0", " ") == said


@pytest.mark.parametrize(
    ("language", "sizes"),
    [
        ("en", ["1 kB", "13 kB", "999 kB", "1 MB", "1.2 MB", "26.2 MB", "1,200 MB"]),
        ("de", ["1 kB", "13 kB", "999 kB", "1 MB", "1,2 MB", "26,2 MB", "1.200 MB"]),
        ("fr", ["1 ko", "13 ko", "999 ko", "1 Mo", "1,2 Mo", "26,2 Mo", "1 200 Mo"]),
    ],
)
def test_a_files_size_is_told_as_its_reader_writes_numbers(language, sizes):
    counts = [3, 13_000, 999_999, 1_000_000, 1_234_000, 26_214_400, 1_200_000_000]
    told = [wording.Wording(language).size(count) for count in counts]
    assert [each.replace("\u202f", " ") for each in told] == sizes


@pytest.mark.parametrize(
    ("kept", "name"), [(wording.locale_of, "en-{:08}"), (wording.zone_of, "Nowhere/{}")], ids=["languages", "zones"]
)
def test_whatever_people_call_theirs_little_is_kept_of_it(kept, name):
    for number in range(3 * wording.KEPT):
        kept(name.format(number))

    assert kept.cache_info().currsize <= wording.KEPT
