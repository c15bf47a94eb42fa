"""A director's page of a year is read from a few thousand sums, however many tickets they are of."""

import datetime as dt

from web.report import FIGURES

PAGE = FIGURES.replace("desk { name }", "")  # which is no figure


async def test_a_year_with_all_splits(plans, people):
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=365)
    asked = {"filter": {"from": start.isoformat()}, "interval": "WEEK"}
    assert "metric_sums" not in await plans.of_query(people["director"], PAGE, **asked)
    # A tenth of what there is of 20,000 tickets, a thousandth of what there is of a million.
    assert await plans.looked_at(people["director"], PAGE, growing={"metric_sums"}, **asked) < 15_000
