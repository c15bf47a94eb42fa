"""Which addresses get no mail, since nobody reads it: as Python and as PostgreSQL tell."""

import pytest
from sqlalchemy import literal, select

from domain import messages

PROGRAMS = "noreply no-reply No_Reply no.reply+shop noreply-7 donotreply do-not-reply MAILER-DAEMON postmaster bounce"
PROGRAMS += " bounces bounce-12-34 bounces+ada=example.com"
PEOPLE = "bouncey bounceback.games noreplyson ada.noreply postmasters ada"


def unread(address):
    return select(messages.nobody_reads_in(literal(address))).compile(compile_kwargs={"literal_binds": True})


@pytest.mark.parametrize(("names", "told"), [(PROGRAMS, True), (PEOPLE, False)])
async def test_nobody_reads_what_goes_to_a_program(names, told, database):
    for name in names.split():
        address = f"{name}@noreply.example.com"
        assert messages.nobody_reads(address) is told, address
        assert list((await database.rows(str(unread(address))))[0].values()) == [told], address
