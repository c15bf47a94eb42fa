"""What may be told of an error in a line of the log, and what it has to say to whoever reads it."""

import errno

import obstore
import pytest
from obstore.store import LocalStore

from infra.faults import MOST_ERRORS, MOST_FRAMES, told, traced
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


def led_to(count):
    """An error that has led to another, and that to another, so many in all."""
    error = None
    for number in range(count):
        try:
            raise IndexError(number) from error
        except IndexError as caught:
            error = caught
    return error


def test_of_errors_that_led_to_each_other_without_end_the_last_are_told():
    assert traced(led_to(3)).count("which led to:") == 2
    assert traced(led_to(3000)).count("which led to:") == MOST_ERRORS - 1


def test_of_what_calls_itself_without_end_the_beginning_and_the_end_are_told():
    def calls():
        return calls_back()

    def calls_back():
        return calls()

    with pytest.raises(RecursionError) as failed:
        calls()

    lines = traced(failed.value).splitlines()
    assert len(lines) < 4 * MOST_FRAMES
    assert "test_of_what_calls_itself" in lines[0]
    assert lines[-1].startswith("RecursionError: maximum recursion depth exceeded")


def test_what_an_error_holds_is_told_with_it():
    inner = [led_to(2), KeyError("ann@example.com")]
    held = traced(ExceptionGroup("ann@example.com", [*inner, ExceptionGroup("more", [OSError("full"), inner[0]])]))

    said = [line for line in held.splitlines() if line and not line.startswith(" ")]
    one = "of which one is:"
    assert said == [
        "ExceptionGroup",
        *(one, "IndexError", "which led to:", "IndexError"),
        *(one, "KeyError"),
        *(one, "ExceptionGroup", one, "OSError: full"),
    ]
