"""Where clouds stand for the pipes that use them, and units of work with whoever they tell."""

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from infra.writes import Writes


@pytest.fixture(scope="session")
def aws():
    """The address of a server that behaves as those of AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def outside(monkeypatch):
    """Makes an address AWS's, as an operator does."""

    def stands_at(url):
        given = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)

    return stands_at


class Told:
    """What was said after commits."""

    def __init__(self):
        self.jobs, self.channels = [], {}

    async def __call__(self, jobs, channels):
        self.jobs += jobs
        self.channels |= channels


@pytest.fixture
def told():
    return Told()


@pytest.fixture
async def writes(application, database, told, settings):
    """Units over two connections of the test's own."""
    made = Writes(settings.database_url, told, size=2)
    yield made
    await made.close()
