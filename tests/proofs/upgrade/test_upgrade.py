"""`make up` of the present code takes over a home that the previous version made, and loses nothing of it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack, free_ports
from tests.proofs.upgrade.holdings import Holdings, holdings, losses, open_runs
from tests.proofs.upgrade.previous_version import NotHere, make, unpack
from tests.support.pipeline import Pipeline

# A demo of the previous version gives up on a busy machine, though its runs go on; the next one goes on with them.
DEMOS = 3
PATIENCE = 300.0
DEMO_SETS = 9


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that PostgreSQL's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="listings-upgrade-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(2400)
def test_the_present_code_takes_over_what_the_previous_version_made(folder: Path) -> None:
    """After `make demo` and `make down` of the previous version, `up` finds every row, object and run, and works on."""
    old, stack = folder / "previous", Stack(folder / "home", free_ports(), settings={})
    old.mkdir(mode=0o755)
    unpack(old)
    environment = {"LISTINGS_HOME": str(stack.home.path)}
    environment |= {f"LISTINGS_PORT_{name.upper()}": str(port) for name, port in stack.ports.items()}
    try:
        run_demo(old, environment)
        before = counted(stack)
    finally:
        down = make(old, "down", environment)
    assert 0 == down.returncode, down.stdout
    assert DEMO_SETS == sum(name.startswith("core.load_audit ") for name in before)
    assert DEMO_SETS == sum(name.startswith("marts.coverage ") for name in before)

    try:
        stack.up()
        assert [] == losses(before, holdings(stack))

        pipeline = Pipeline(stack)
        assert "success" == pipeline.finish(pipeline.extract(["ogden, ut"]))
        reported = f"marts.coverage zillow56 ogden-ut {pipeline.today}"
        pipeline.until(lambda: reported in holdings(stack), "the present code reports a market of its own", PATIENCE)
        assert [] == losses(before, holdings(stack), worked=True)
    finally:
        stack.down()


def run_demo(old: Path, environment: dict[str, str]) -> None:
    """Runs the previous version's demo until it ends as it should."""
    for attempt in range(1, DEMOS + 1):
        demo = make(old, "demo", environment)
        if demo.returncode == 0:
            return
        print(f"demo {attempt} of the previous version:\n{demo.stdout}")
    pytest.fail(f"the previous version's demo failed {DEMOS} times; its last words: {demo.stdout[-2000:]}")


def counted(stack: Stack) -> Holdings:
    """What the stack holds once all its runs have ended."""
    deadline = time.monotonic() + PATIENCE
    while still := open_runs(stack):
        assert time.monotonic() < deadline, f"these runs do not end: {still}"
        time.sleep(1)
    return holdings(stack)


@pytest.mark.sample
def test_the_previous_version_is_in_the_history(folder: Path) -> None:
    """The commit to upgrade from can be unpacked, and has what the proof runs of it."""
    try:
        unpack(folder)
    except NotHere as reason:
        pytest.skip(str(reason))

    targets = {line.split(":")[0] for line in (folder / "Makefile").read_text().splitlines()}
    assert {"demo", "down"} <= targets
    assert (folder / "tools" / "environments.py").exists()


BEFORE = {"core.listings zillow56 austin-tx": 813, "s3://raw/page.json": 4711, "run extract_listings a success": 9}
MORE = {name: count + 1 for name, count in BEFORE.items()} | {"core.listings zillow56 ogden-ut": 1}


@pytest.mark.sample
@pytest.mark.parametrize("worked", [False, True])
@pytest.mark.parametrize("name", BEFORE)
def test_what_has_become_less_or_is_gone_is_a_loss(name: str, worked: bool) -> None:
    """One row, byte or task less is a loss, as is a partition, object or run that is not there."""
    assert [] == losses(BEFORE, BEFORE, worked)
    fewer = BEFORE[name] - 1
    assert [f"{name}: {BEFORE[name]} before, {fewer} after"] == losses(BEFORE, BEFORE | {name: fewer}, worked)
    gone = {other: count for other, count in BEFORE.items() if other != name}
    assert [f"{name}: {BEFORE[name]} before, 0 after"] == losses(BEFORE, gone, worked)


@pytest.mark.sample
def test_what_has_come_is_a_loss_only_while_nobody_worked() -> None:
    """Rows and objects from nowhere are as wrong as lost ones, until the stack works; a run may come at any time."""
    assert [] == losses(BEFORE, MORE, worked=True)
    assert [
        "core.listings zillow56 austin-tx: 813 before, 814 after",
        "core.listings zillow56 ogden-ut: 0 before, 1 after",
        "s3://raw/page.json: 4711 before, 4712 after",
    ] == losses(BEFORE, MORE)
