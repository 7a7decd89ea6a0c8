"""A pause that ends while several schedulers look is ended by one of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from app.scheduler.pauses import PauseEnd
from tests.api.asking import ok, runs_of
from tests.api.factories import make_deployment
from tests.parts import make_parts

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)


def test_a_pause_is_ended_once_however_many_schedulers_run(client, clock, database):
    clock.stop_at(NOW)
    made = [make_deployment(client, schedule={"interval": 86_400}) for _ in range(6)]
    until = (NOW + timedelta(hours=1)).isoformat()
    assert ok(client.post("/deployments/pause", json={"until": until})) == {"changed": 6}
    clock.advance(hours=1)
    with ThreadPoolExecutor(4) as pool:
        ended = pool.map(lambda _: PauseEnd(make_parts(database, clock), batch_size=2).run_once().number, range(4))
        assert sum(ended) == 6
    assert [len(runs_of(client, deployment)) for deployment in made] == [100] * 6
