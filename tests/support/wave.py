"""Runs tests of the shared stack side by side: while one waits for its chain of tasks, so do the others.

A test marked `wave` has markets of its own and leaves the stack as it is: it pauses no DAG and breaks no process.
All of them are started at once, each in a thread; in its turn pytest is told how the test ended. One marked
`late_wave` is started later, when the others have done most of their work.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Self

import pytest

from tests.support.pipeline import Pipeline

# The markers, each also the name of the fixture that starts the tests with it.
WAVES = ("wave", "late_wave")
# What a test of a wave may ask for.
FIXTURES = ("pipeline",)


class Wave:
    """The tests that were started, by node id."""

    def __init__(self, pipeline: Pipeline, tests: Sequence[pytest.Function]) -> None:
        self._pipeline = pipeline
        self._tests = tests
        self._pool = ThreadPoolExecutor(max(1, len(tests)), thread_name_prefix="wave")
        self._running: dict[str, Future[None]] = {}

    def __enter__(self) -> Self:
        for test in self._tests:
            self._running[test.nodeid] = self._pool.submit(test.obj, pipeline=self._pipeline)
        return self

    def __exit__(self, *fault: object) -> None:
        # What still runs, after Ctrl-C say, ends as soon as the stack answers no more.
        self._pool.shutdown(wait=False, cancel_futures=True)

    def outcome(self, test: pytest.Function) -> None:
        """Returns when the test has ended well; raises what it raised."""
        self._running[test.nodeid].result()

    def wait(self) -> None:
        """Returns when every test of the wave has ended, well or not."""
        wait(self._running.values())


def wave_of(item: pytest.Item) -> str | None:
    """The wave that a test is marked for; raises UsageError when it asks for what no thread can be given."""
    wave = next((name for name in WAVES if item.get_closest_marker(name)), None)
    if wave is None:
        return None
    assert isinstance(item, pytest.Function)
    wanted = tuple(inspect.signature(item.obj).parameters)
    if wanted != FIXTURES:
        raise pytest.UsageError(f"{item.nodeid}: a test of a wave asks for {FIXTURES}, this one for {wanted}")
    return wave


def members(items: Sequence[pytest.Item], wave: str) -> list[pytest.Function]:
    """Those of the tests that belong to a wave."""
    return [item for item in items if isinstance(item, pytest.Function) and wave_of(item) == wave]
