"""What can't be begun, since something outside is set to what nobody can use: told in a line."""

import pytest

from infra import tracing
from infra.redis import Bus
from infra.settings import InvalidSettingsError


@pytest.mark.parametrize("ending", ["?no_such_option=1", "?socket_timeout=soon"])
def test_a_redis_with_options_that_there_are_not_is_told_without_its_password(ending):
    with pytest.raises(InvalidSettingsError, match=r"^REDIS_URL: can't be used: ") as refused:
        Bus(f"redis://:hidden@127.0.0.1:6379/0{ending}")

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_BSP_MAX_QUEUE_SIZE", "10"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1")]
)
async def test_limits_of_traces_that_cannot_be_kept_are_told(migrated, monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidSettingsError, match=r"^OTEL_…: can't be used: "):
        async with tracing.exporting(
            migrated.model_copy(update={"otel_exporter_otlp_endpoint": "http://[::1]:1"}), "t"
        ):
            pytest.fail("it began")

    assert not tracing.is_on()
