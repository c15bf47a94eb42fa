"""What is over is forgotten, some rows at a time."""

import pytest

from domain import attempts, idempotency, sessions
from infra import relaying, writes
from infra.writes import Writes

OLD = "now() - interval '100 days'"
MADE = {
    "jobs": "(id, kind, payload, state, attempts, due_at, created_at, settled_at) "
    f"SELECT uuidv7(), 'Gone', '{{}}', 'DONE', 1, {OLD}, {OLD}, {OLD}",
    "attempts": f"(key, window_starts_at, count) SELECT n::text, {OLD}, 1",
    "idempotency_keys": "(person_id, mutation, key, input_hash, created_at) "
    f"SELECT :person, 'submitTicket', n::text, '', {OLD}",
    "sessions": "(id, person_id, refresh_count, by_link, created_at, expires_at) "
    f"SELECT uuidv7(), :person, 0, false, {OLD}, {OLD}",
    "sign_in_links": f"(id, person_id, created_at, expires_at) SELECT uuidv7(), :person, {OLD}, {OLD}",
}
SWEEPS = {
    "jobs": relaying.sweep,
    "attempts": attempts.sweep,
    "idempotency_keys": idempotency.sweep,
    "sessions": sessions.sweep,
    "sign_in_links": sessions.sweep,
}


@pytest.mark.parametrize("table", MADE)
async def test_no_statement_forgets_more_than_some_rows(desk, database, customer, monkeypatch, table):
    monkeypatch.setattr(writes, "MOST_FORGOTTEN", 2)
    count = f"SELECT count(*) FROM {table}"
    before = await database.rows(count)
    sql = f"INSERT INTO {table} {MADE[table]} FROM generate_series(1, 5) AS n"
    await database.rows(sql, **({"person": customer.id} if ":person" in sql else {}))
    forgotten, alone = [], Writes.alone

    async def counted(self, build, *arguments):
        records = await alone(self, build, *arguments)
        forgotten.append(len(records))
        return records

    monkeypatch.setattr(Writes, "alone", counted)
    await SWEEPS[table](desk)

    assert [each for each in forgotten if each] == [2, 2, 1]
    assert await database.rows(count) == before
