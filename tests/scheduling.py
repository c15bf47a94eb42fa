"""How the tests are spread over processes: by file, and by folder where its files share what is dear to make."""

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/plans", "tests/clients")
# What takes minutes goes first: else one process would still be at it when the others have ended.
LONG = ("tests/rules/test_random_operations.py", "tests/running/", *TOGETHER)
LAST = "tests/faults/"  # the processes that these start stay until all tests have ended


class Spread(LoadFileScheduling):
    """By file or folder, in the order in which the tests were collected."""

    def _split_scope(self, nodeid):
        return next((folder for folder in TOGETHER if nodeid.startswith(f"{folder}/")), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)  # without processes there is none
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return Spread(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.nodeid.startswith(LAST) - item.nodeid.startswith(LONG))
