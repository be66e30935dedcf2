"""The Lambda layer's pins, read without asking for a package."""

from __future__ import annotations

import pytest

from infra.package.layer import LOCKED, LayerError, locked


def test_versions_are_those_that_the_stand_in_runs() -> None:
    """The layer's pins are the lines of requirements/local.txt, hashes included."""
    lines = locked("pyarrow")
    assert lines in LOCKED.read_text(encoding="utf-8")
    assert lines.startswith("pyarrow==")
    assert "--hash=sha256:" in lines
    with pytest.raises(LayerError, match="pins no pandas"):
        locked("pandas")
