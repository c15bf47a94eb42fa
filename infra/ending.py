"""How a process is told to end: SIGTERM, or SIGINT from a terminal."""

import asyncio
import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def told() -> asyncio.Event:
    """An event that both signals set from now on, in place of ending the process there and then.

    Whoever reads that the process has begun may send one at once: so it is called before that is logged.
    """
    event = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


def ignored() -> None:
    """Let a process that ends do so: a second signal would find its loop half closed, which Python complains of."""
    for number in SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
