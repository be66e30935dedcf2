"""The README's first promise, on a machine that has what the README asks for and nothing else."""

from __future__ import annotations

import pytest

from tests.proofs.bare.__main__ import FOLDER, start
from tests.proofs.bare.debian_root import PERSON


@pytest.mark.parametrize(
    ("user", "targets"),
    [
        pytest.param(PERSON, ["demo", "check", "down"], marks=pytest.mark.timeout(45 * 60)),
        pytest.param("root", ["demo", "test", "down"], marks=pytest.mark.timeout(90 * 60)),
    ],
)
def test_two_commands_are_enough(user: str, targets: list[str]) -> None:
    """Each command succeeds on a bare Debian, and the last one leaves nothing; without debootstrap it is no pass."""
    assert 0 == start(FOLDER, user, targets)
