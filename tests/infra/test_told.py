"""What may be told of an error in a line of the log, and what it has to say to whoever reads it."""

import errno

import obstore
import pytest
from obstore.store import LocalStore

from infra.faults import told
from infra.files import StoreUnavailable
from infra.postgres import Unavailable


def test_why_there_is_no_database_is_told_instead_of_what_clients_are_told():
    error = Unavailable()
    error.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 5432)")

    assert told(error) == "Unavailable: ConnectionRefusedError: [Errno 111] Connect call failed ('192.0.2.1', 5432)"
    assert told(Unavailable()).startswith("Unavailable: Too much is going on here")


async def test_what_the_system_says_to_a_store_is_told_without_the_name_of_a_file(tmp_path):
    (tmp_path / "anns-secrets").write_text("a file where a folder is wanted")

    with pytest.raises(obstore.exceptions.BaseError) as failed:
        await obstore.put_async(LocalStore(tmp_path), "anns-secrets/letter", b"x")
    error = StoreUnavailable()
    error.__cause__ = failed.value

    assert "anns-secrets" in str(failed.value)
    assert told(error) == "StoreUnavailable: GenericError: Not a directory"
