"""What people write is checked, tidied, and safe as HTML."""

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import words
from domain.refusals import InvalidInput, Problems


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("It **burns**.", "<p>It <strong>burns</strong>.</p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        (
            "![tracker](https://example.com/p.gif)",
            '<p><a href="https://example.com/p.gif" rel="nofollow noopener noreferrer">tracker</a></p>',
        ),
        (
            "Yes! ![](https://a.example)",
            '<p>Yes! <a href="https://a.example" rel="nofollow noopener noreferrer">https://a.example</a></p>',
        ),
        (
            r"Oh!! [b](https://a.example), \![c](https://a.example), !<https://a.example>",
            (
                '<p>Oh!! <a href="https://a.example" rel="nofollow noopener noreferrer">b</a>, '
                '!<a href="https://a.example" rel="nofollow noopener noreferrer">c</a>, '
                '!<a href="https://a.example" rel="nofollow noopener noreferrer">https://a.example</a></p>'
            ),
        ),
        (
            "see https://example.com/a?b=c",
            '<p>see <a href="https://example.com/a?b=c" rel="nofollow noopener noreferrer">https://example.com/a?b=c</a></p>',
        ),
    ],
)
def test_markdown_becomes_safe_html(markdown, html):
    assert words.html(markdown) == html


@pytest.mark.parametrize(
    "many",
    [
        *("http://a.b/(", "https://a.co/?q=[", "www.a.co/(", "a@b.co(", "www.a.co/( ", "[a][", "~~a", "|a\n|-\n"),
        *("<http://", "{{ahttp://a.b/[a][", "![](a)"),
    ],
)
def test_a_longer_text_takes_as_much_longer(many):
    """And not its square, in which nobody else is served."""

    def seconds(size):
        began = time.process_time()
        words.html((many * size)[:size])
        return time.process_time() - began

    seconds(1_000)
    assert min(seconds(12_000) for _ in range(2)) < 6.5 * max(seconds(3_000), 0.02)


def test_a_long_address_is_a_link():
    address = f"https://example.com/{'a' * 1500}"
    assert words.html(f"see {address}") == (
        f'<p>see <a href="{address}" rel="nofollow noopener noreferrer">{address}</a></p>'
    )


async def test_what_is_long_is_made_in_a_thread_and_the_same():
    here, made_in = threading.get_ident(), []

    def make(text):
        made_in.append(threading.get_ident() == here)
        return words.html(text)

    pieces = [
        "**a** www.a.com/b [c](http://d.e) `f`\n\n",
        "- a@b.co\n  - c\n",
        "|a|b|\n|-|-|\n|~~x~~|y|\n\n",
        "[![*_<\n",
    ]
    texts = [f"{number}\n\n{piece * 300}" for number in range(3) for piece in pieces]
    together = await asyncio.gather(*(words.beside(make, text) for text in texts), words.beside(make, "short"))
    assert together == [words.html(text) for text in [*texts, "short"]]
    assert sorted(made_in) == [False] * len(texts) + [True]


@given(st.text(max_size=500))
def test_no_text_makes_unsafe_html(text):
    html = words.html(text).lower()
    assert "<script" not in html
    assert "<img" not in html
    assert "<iframe" not in html
    assert "javascript:" not in html or 'href="javascript:' not in html


@given(st.text(max_size=300))
def test_a_line_is_one_line_or_a_problem(text):
    problems = Problems()
    line = words.line(problems, "subject", text, most=200, what="The subject")
    if len(line) <= 200 and any(letter.isalnum() for letter in line):
        problems.refuse()
        assert len(line.splitlines()) == 1
        assert "\x00" not in line
    elif not line or len(line) > 200:
        with pytest.raises(InvalidInput):
            problems.refuse()


@pytest.mark.parametrize(
    ("given_", "understood"),
    [
        (" Carla@Example.COM ", "carla@example.com"),
        ("a+b@example.org", "a+b@example.org"),
        ("ann@desk.local", "ann@desk.local"),  # as organisations call what is their own
        ("ann@corp.internal", "ann@corp.internal"),
        ("ann@mail.test", "ann@mail.test"),
        ("ann@example.invalid", ""),
        ("ann@localhost", ""),
        ("ann@local", ""),
        ("nobody", ""),
        ("a@b@c", ""),
    ],
)
def test_an_address_is_understood_or_refused(given_, understood):
    problems = Problems()
    assert words.email(problems, "email", given_) == understood
    if not understood:
        with pytest.raises(InvalidInput):
            problems.refuse()


@pytest.mark.parametrize("said", ["", " \n ", "\u200b", "\u00a0\u2060\ufeff", "\x00\x7f"])
def test_a_text_of_which_nothing_can_be_seen_is_none(said):
    problems = Problems()
    assert words.text(problems, "comment", said, most=10) == ""
    assert not problems
    words.text(problems, "comment", said, most=10, may_be_empty=False)
    assert problems


def test_tags_are_lower_case_and_each_once():
    problems = Problems()
    assert words.tags(problems, "tags", ["VIP", "vip ", "late"]) == ["vip", "late"]
    problems.refuse()
    words.tags(problems, "tags", [f"tag {number}" for number in range(21)])
    with pytest.raises(InvalidInput):
        problems.refuse()


@pytest.mark.parametrize(
    ("markdown", "line"),
    [
        ("It **burns** [here](https://example.com).", "It burns here."),
        ("# One\n\n- two & <three>\n- `four`", "One two & <three> four"),
        ("", ""),
    ],
)
def test_html_becomes_one_line(markdown, line):
    assert words.line_of(words.html(markdown)) == line


def test_the_beginning_of_a_line_ends_with_a_word():
    assert words.beginning("as it is", 8) == "as it is"
    assert words.beginning("longer than that", 12) == "longer…"
    assert words.beginning("longer", 5) == "long…"


@pytest.mark.parametrize(
    ("plain", "beginning"),
    [
        ("short", "short"),
        ("a " * 20, "a a a a a a a a a…"),
        ("x" * 30, "x" * 19 + "…"),
        ("Hi " + "字" * 30, "Hi " + "字" * 16 + "…"),  # which has no words to end at
    ],
)
def test_a_beginning_ends_with_a_word_where_there_are_words(plain, beginning):
    assert words.beginning(plain, 20) == beginning


@pytest.mark.parametrize(
    "plain",
    ["1. May", "23) x", "# x", "- x", "+ x", "> x", "*a* _b_ `c` ~~d~~ [e](f) | g", "&lt; &#60; AT&T", "\\", "a_b_c"],
)
def test_plain_text_is_the_same_as_markdown(plain):
    assert words.line_of(words.html(words.escaped(plain))) == plain
