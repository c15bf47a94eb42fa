"""The plots of `desk report`: what can be read of them without colours, or without seeing them."""

import re

from web.report import Line, plot, written

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]


def test_a_plot_says_what_it_shows():
    drawn = plot("Tickets & all", DAYS, Line("submitted", "#111", [1, 2, 3, 4]), Line("resolved", "#222", [1, 1, 1, 1]))

    assert 'aria-label="Tickets &amp; all: submitted, resolved, 2026-01-01 to 2026-01-04"' in drawn
    assert 'aria-label="Nothing: none"' in plot("Nothing", [], Line("none", "#111", []))


def test_lines_differ_by_more_than_colour():
    drawn = plot("Tickets", DAYS, Line("submitted", "#111", [1, 2, 3, 4]), Line("resolved", "#222", [1, 1, 1, 1]))
    pens = re.findall(r"<polyline [^>]*>", drawn)
    dashes = [
        {re.search(r"dasharray=\"([^\"]*)|$", pen)[1] for pen in pens if f'stroke="{colour}"' in pen}
        for colour in ("#111", "#222")
    ]

    assert dashes == [{None, "2 3"}, {"9 3", "2 3"}]
    assert re.findall(r"border-bottom:2px (\w+)\">(\w+)<", drawn) == [("solid", "submitted"), ("dashed", "resolved")]


def test_a_value_without_a_neighbour_is_a_point():
    assert plot("Tickets", DAYS, Line("submitted", "#111", [None, 2, None, None])).count("<circle") == 1
    assert plot("Tickets", DAYS, Line("submitted", "#111", [None, None, None, 2])).count("<circle") == 1
    assert "<circle" not in plot("Tickets", DAYS, Line("submitted", "#111", [1, 2, None, None]))


async def test_tables_are_named_and_can_be_scrolled_without_a_pointer(migrated):
    page = await written(migrated, 7)

    tables = re.findall(r'<div class="wide"([^>]*)><table><tr><td></td>', page)
    assert ' role="region" aria-label="Priorities" tabindex="0"' in tables
    assert len(tables) == page.count("<table>")
