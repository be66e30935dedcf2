"""Tests of the shared stack that run side by side: each is told its own outcome, and none may ask for too much."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.wave import Wave, wave_of

STACK: Any = object()


def started(**tests: Any) -> tuple[Wave, dict[str, Any]]:
    """A wave of these functions, and what stands for pytest's items of them."""
    items: dict[str, Any] = {name: SimpleNamespace(nodeid=name, obj=test) for name, test in tests.items()}
    return Wave(STACK, list(items.values())), items


def test_the_tests_of_a_wave_run_at_the_same_time_on_the_same_stack() -> None:
    """Two tests that wait for each other both end well, which they could not one after the other."""
    both, given = threading.Barrier(2), []

    def meet(pipeline: object) -> None:
        given.append(pipeline)
        both.wait(10)

    wave, items = started(one=meet, other=meet)
    with wave:
        for item in items.values():
            wave.outcome(item)
    assert [STACK, STACK] == given


def test_what_fails_fails_under_its_own_name() -> None:
    """The error of one test is raised when it is asked for, and no other's outcome is touched by it."""

    def wrong(pipeline: object) -> None:
        raise AssertionError("akron is not in the warehouse")

    wave, items = started(wrong=wrong, right=lambda pipeline: None)
    with wave:
        wave.wait()
        wave.outcome(items["right"])
        with pytest.raises(AssertionError, match="akron"):
            wave.outcome(items["wrong"])


def test_a_test_that_asks_for_more_than_the_stack_is_refused(request: pytest.FixtureRequest) -> None:
    """A fixture of pytest's cannot be made in a thread: the test is named, and what it asked for."""
    item = request.node
    assert None is wave_of(item)
    item.add_marker("wave")
    with pytest.raises(pytest.UsageError, match=r"test_a_test_that_asks.*'request'"):
        wave_of(item)
