"""The folder is the marker, slow folders come first, a module's tests stay together; where a browser is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.browser import advice, find_browser, lacking

TESTS = Path(__file__).resolve().parent
# Folders whose tests share a stack.
TOGETHER = ("tests/e2e/", "tests/integration/doctor/")
# What takes longest begins first, so that no worker is left alone with it in the end.
ORDER = ("e2e", "proofs", "integration", "infra", "dags", "sql", "unit")


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the name of its folder; a name that pyproject.toml does not know is an error."""
    for item in items:
        item.add_marker(_folder(item))
    items.sort(key=lambda item: ORDER.index(_folder(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps the tests of a module on one worker, so that what they share is made once.

    In some folders all modules share a stack: these stay together too. The order of the tests is that of their
    collection.
    """
    from xdist.scheduler import LoadScopeScheduling

    class WholeModules(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::")[0])

    config.option.loadscopereorder = False
    return WholeModules(config, log)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser that can be driven; without one its tests are skipped with the reason, and in CI fail."""
    if packages := lacking():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(advice(packages))
    path = find_browser()
    assert path is not None
    return path


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """The files that git keeps; what came as a tarball has no git to ask, and a machine may have none at all."""
    if not shutil.which("git"):
        pytest.skip("no git here to say what is tracked")
    asked = subprocess.run(["git", "ls-files", "-z"], cwd=TESTS.parent, capture_output=True, text=True)
    if asked.returncode:
        pytest.skip(f"git cannot say what is tracked: {asked.stderr.strip()}")
    return asked.stdout.split("\0")[:-1]
