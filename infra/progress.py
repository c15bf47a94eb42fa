"""How far a long work is, for whoever has started it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS = 5.0  # between two lines where there is no terminal

Told = Callable[[int, int], None]  # so many of so many are done


@contextmanager
def shown(what: str) -> Iterator[Told]:
    """Shows what it is told on standard error: as a bar at a terminal, elsewhere by a line now and then.

    `what`: is counted, such as tickets.
    """
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console, said = Console(stderr=True), time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("")

        def told(done: int, total: int) -> None:
            nonlocal said
            progress.update(task, completed=done, total=total)
            if not console.is_terminal and (done == total or time.monotonic() - said > SECONDS):
                said = time.monotonic()
                console.print(f"{done:,} of {total:,} {what}")

        yield told
