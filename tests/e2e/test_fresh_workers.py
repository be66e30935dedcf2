"""One partition of the proof that no task leaves state on a disk, so that the proof cannot rot unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.no_state.notes import AIRFLOWS_OWN, notes_in
from tests.support.pipeline import Pipeline

pytestmark = [pytest.mark.sample, pytest.mark.timeout(900)]


@pytest.mark.wave
def test_a_set_is_sensed_by_workers_that_share_nothing(pipeline: Pipeline) -> None:
    """Each task of the partition's run had folders of its own, which are gone, and left only Airflow's log in them."""
    assert "success" == pipeline.finish(pipeline.extract(["laredo, tx"]))
    pipeline.wait_until_loaded("laredo-tx")

    ledger = Path(pipeline.environment["FRESH_FOLDERS_LEDGER"])
    ran = {("sense_listings", task, at) for task, at in (("expect_sets", -1), ("sense_set.pass_gates", 0))}
    # A task tells that it has ended before its process does.
    pipeline.until(lambda: ran <= {tuple(note["task"]) for note in notes_in(ledger)}, "each task left its note")
    notes = notes_in(ledger)
    folders = [note["folder"] for note in notes]
    assert {"sense_listings"} == {note["task"][0] for note in notes}
    assert len(folders) == len(set(folders))
    assert [] == [folder for folder in folders if Path(folder).exists()]
    assert [] == [name for note in notes for name in note["left"] if not AIRFLOWS_OWN.fullmatch(name)]
