"""What the host's health check makes of Airflow's answers, without a host: fakes for the api-server and for systemd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.host.health import DISK_PERCENT, GRACE_SECONDS, check, crowded, ill, unheard
from infra.host.services import ServiceError
from tests.support.airflow_health import WELL

STALE = {"status": "unhealthy", "latest_scheduler_heartbeat": "2026-11-22T05:00:00+00:00"}


class FakeUnits:
    """systemd, in which every unit is in one state and has been so for a while."""

    def __init__(self, state: str = "active", age: float = 3600.0, refuses: bool = False) -> None:
        self._state, self._age, self._refuses = state, age, refuses
        self.restarted: list[str] = []

    def state(self, name: str) -> str:
        """What a unit is."""
        return self._state

    def active_for(self, name: str) -> float:
        """Seconds that it has been active."""
        return self._age

    def restart_soon(self, *names: str) -> None:
        """Notes it, or refuses."""
        if self._refuses:
            raise ServiceError("systemctl restart: no such unit")
        self.restarted += names


def look(answer: Mapping[str, Any] | OSError, units: FakeUnits) -> tuple[bool, list[str]]:
    """One look: whether all was well, and what was said."""

    def ask() -> Mapping[str, Any]:
        if isinstance(answer, OSError):
            raise answer
        return answer

    said: list[str] = []
    say: Callable[[str], None] = said.append
    return check(ask, units, say), said


def test_nothing_is_done_while_all_is_well() -> None:
    """No word, no restart; a triggerer that nobody runs is no illness."""
    units = FakeUnits()
    assert (True, []) == look(WELL, units)
    assert [] == units.restarted


def test_a_stale_scheduler_is_restarted_alone() -> None:
    """And the reason names its last heartbeat."""
    units = FakeUnits()
    healthy, said = look({**WELL, "scheduler": STALE}, units)
    assert not healthy
    assert ["airflow-scheduler.service"] == units.restarted
    assert "its last heartbeat is of 2026-11-22T05:00:00+00:00; restarted (it was active)" in said[0]


def test_a_component_that_never_reported_is_ill() -> None:
    """As after a first start that failed."""
    found = ill({**WELL, "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None}})
    assert {"airflow-dag-processor.service": "its last heartbeat is of never"} == found


def test_an_api_server_that_does_not_answer_is_restarted() -> None:
    """Of the others nothing is known, so they are left alone."""
    units = FakeUnits()
    healthy, said = look(OSError("timed out"), units)
    assert not healthy
    assert ["airflow-api-server.service"] == units.restarted
    assert "it does not answer: timed out" in said[0]


def test_a_database_that_is_away_is_the_one_thing_restarted() -> None:
    """Without it every heartbeat looks stale."""
    units = FakeUnits()
    look({**WELL, "metadatabase": {"status": "unhealthy"}, "scheduler": STALE}, units)
    assert ["postgresql.service"] == units.restarted


@pytest.mark.parametrize(
    ("state", "age", "due"),
    [
        ("active", GRACE_SECONDS - 1, False),
        ("active", GRACE_SECONDS, True),
        ("activating", 0.0, False),
        ("deactivating", 0.0, False),
        ("failed", 0.0, True),
        ("inactive", 0.0, True),
    ],
)
def test_a_unit_that_starts_or_ends_is_left_alone(state: str, age: float, due: bool) -> None:
    """Restarted each minute it could never come up; but it is not well either."""
    units = FakeUnits(state, age)
    healthy, said = look({**WELL, "scheduler": STALE}, units)
    assert not healthy
    assert due == bool(units.restarted)
    assert due != ("left alone" in said[0])


def test_a_restart_that_is_refused_is_said() -> None:
    """The look goes on, and the metric will be 0."""
    healthy, said = look({**WELL, "scheduler": STALE}, FakeUnits(refuses=True))
    assert not healthy
    assert "could not be restarted: systemctl restart: no such unit" in said[0]


@pytest.mark.parametrize(
    ("used", "said"),
    [(27.5, ""), (27.6, ""), (27.7, "disk: 92.3 % is used, more than 92 %; 2.3 GiB left")],
)
def test_a_disk_is_unwell_before_it_is_full(used: float, said: str) -> None:
    """Of 30 GiB, at 92 %: while there is still room for a person to work in."""
    assert said == crowded(used * 2**30, (30 - used) * 2**30, DISK_PERCENT)


@pytest.mark.parametrize(("since", "missing"), [("06:00:04", ["airflow-dag-processor.service"]), ("06:00:00", [])])
def test_an_earlier_starts_heartbeat_does_not_count(since: str, missing: list[str]) -> None:
    """What has not reported since is named, though Airflow still calls it healthy."""
    moment = datetime.fromisoformat(f"2026-11-22T{since}").replace(tzinfo=UTC)
    assert missing == list(unheard(WELL, moment))
