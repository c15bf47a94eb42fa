"""How the tests are spread over processes: by file, and those of several files together that share what is dear."""

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = (
    ("tests/plans/",),  # a large desk
    (  # a real one that runs
        "tests/clients/",
        "tests/running/test_backup.py",
        "tests/running/test_demo_day.py",
        "tests/web/test_graphiql.py",
        "tests/architecture/test_readme.py",
    ),
)
# What takes minutes goes first: else one process would still be at it when the others have ended.
LONG = ("tests/rules/test_random_operations.py", "tests/running/", "tests/plans/", "tests/clients/")
LAST = "tests/faults/"  # the processes that these start stay until all tests have ended


class Spread(LoadFileScheduling):
    """By file, or what these share, in the order in which the tests were collected."""

    def _split_scope(self, nodeid):
        return next((each[0] for each in TOGETHER if nodeid.startswith(each)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)  # without processes there is none
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return Spread(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.nodeid.startswith(LAST) - item.nodeid.startswith(LONG))
