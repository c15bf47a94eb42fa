"""Looking for garbage without stopping everybody: what lives long is not looked at again and again."""

import gc
import sys
import time
from typing import Any, Final

LONGEST_SECONDS: Final = 0.005  # of a look at what is young; what outlives one that takes longer is left alone
GROWTH: Final = 1.5  # of what the process holds, until all of it is looked at again
# As Python's own but for the last: full looks are cheap now, and so come early.
THRESHOLDS: Final = (700, 10, 2)


class Sparing:
    """Ends full looks that take long: a million objects, as 5,000 sockets have, would stop a process for a second.

    Python looks at all objects whenever a quarter as many have outlived two looks, and where much is going on at once
    these are soon so many. Here it looks at what came since the last look that took long, and at all once the process
    has grown by half. Until then garbage is kept that is made of what lived long, and ends in a circle.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._whole = False
        self._held = sys.getallocatedblocks()

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        """What Python calls before and after each look."""
        if info["generation"] < len(THRESHOLDS) - 1:
            return
        if phase == "start":
            self._began = time.perf_counter()
            return
        held = sys.getallocatedblocks()
        if self._whole:
            self._held, self._whole = held, False
        if held > GROWTH * self._held:
            self._whole = True
            gc.unfreeze()
        elif time.perf_counter() - self._began > LONGEST_SECONDS:
            gc.freeze()


def spare() -> None:
    """From now on: modules, schema and types live for ever, and what comes may do so."""
    gc.collect()
    gc.freeze()
    if not any(isinstance(each, Sparing) for each in gc.callbacks):
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(Sparing())
