"""A release that cannot be installed, unpacked and tried by its own installer on a host that has none yet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.package.release import build_release
from tests.proofs.host.trial import TrialHost, Who
from tests.support.ministack import REGION


@pytest.mark.sample
def test_a_release_whose_environment_cannot_be_made_leaves_the_host_as_it_was(tmp_path: Path) -> None:
    """The installer says that it was not installed and why; no unit is there, and nothing is linked."""
    host = TrialHost(Who.here(f"listings-{os.getpid()}"))
    try:
        host.settings({"AWS_DEFAULT_REGION": REGION})
        folder = host.unpack(build_release(tmp_path))
        (folder / "requirements" / "airflow.txt").write_text("no lock ==\n")
        done = host.install(folder, LISTINGS_DATABASE_URL="postgresql+psycopg2://nobody@127.0.0.1:1/none")
        assert 0 != done.returncode
        assert f"{folder.name} was not installed: " in done.stderr
        assert "requirements/airflow.txt" in done.stderr
        assert [] == list(host.layout.units.iterdir())
        assert not host.layout.current.exists()
    finally:
        host.end()
