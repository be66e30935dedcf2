"""The healthy stack that all tests of the doctor break and mend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.patient import Patient, running_patient


@pytest.fixture(scope="package")
def patient() -> Iterator[Patient]:
    """A healthy stack; what a test breaks it mends again."""
    yield from running_patient()
