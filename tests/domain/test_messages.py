"""Which addresses get no mail, since nobody reads it."""

import pytest

from domain import messages


@pytest.mark.parametrize(
    "name",
    ["noreply", "no-reply", "No_Reply", "no.reply+shop", "noreply-7", "donotreply", "do-not-reply", "MAILER-DAEMON"]
    + ["postmaster", "bounce", "bounces", "bounce-12-34", "bounces+ada=example.com"],
)
def test_nobody_reads_what_goes_to_a_program(name):
    assert messages.nobody_reads(f"{name}@example.com")


@pytest.mark.parametrize("name", ["bouncey", "bounceback.games", "noreplyson", "ada.noreply", "postmasters", "ada"])
def test_somebody_reads_what_only_looks_a_little_like_it(name):
    assert not messages.nobody_reads(f"{name}@noreply.example.com")
