"""One whole stack for all end-to-end tests: a real scheduler runs the DAGs, and nothing wakes them but their assets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack, free_ports
from tests.e2e.pipeline import Pipeline
from tests.mailbox import Mailbox

# Reconciliation looks at everything at once, also at what has just landed.
SETTINGS = {"LISTINGS_RECONCILE_AFTER": "0", "LISTINGS_SENSE_POKE_INTERVAL": "5"}
# Overdue from the start; test_alerts, which comes first, brings it. Without that every reconciliation would fail.
EXPECTED = {"LISTINGS_EXPECTED_MARKETS": "zillow56/bozeman-mt", "LISTINGS_FRESHNESS_HOURS": "0"}


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    """The mail server of the stack."""
    with Mailbox() as server:
        yield server


@pytest.fixture(scope="session")
def pipeline(request: pytest.FixtureRequest, mailbox: Mailbox) -> Iterator[Pipeline]:
    """A stack that is up and has never asked the API for anything."""
    expected = EXPECTED if any("test_alerts" in item.nodeid for item in request.session.items) else {}
    settings = {**SETTINGS, **mailbox.settings(), **expected}
    home = Path(tempfile.mkdtemp(prefix="listings-e2e-")).resolve()
    home.chmod(0o755)  # PostgreSQL's own user must get through
    stack = Stack(home=home, ports=free_ports(), say=lambda line: None, settings=settings)
    try:
        stack.up()
        yield Pipeline(stack)
    finally:
        stack.down()
        shutil.rmtree(home)
