"""What a person hears of by mail: nothing ran, a market failed, dead letters. Comes early: it needs a stack at rest."""

from __future__ import annotations

import pytest

from include.ledger.queues import send_again
from tests.support.examples import KEY
from tests.support.mailbox import RECIPIENTS, Mail, Mailbox
from tests.support.pipeline import Pipeline

# The stack is started by whichever test comes first, which its start must not fail.
pytestmark = pytest.mark.timeout(900, func_only=True)


def about(mailbox: Mailbox, subject: str) -> list[Mail]:
    """The mails whose subject has these words."""
    return [mail for mail in mailbox.mails if subject in mail.subject]


def test_a_market_that_never_came_is_told_by_the_clock_and_silent_once_it_came(
    pipeline: Pipeline, mailbox: Mailbox
) -> None:
    """Nothing ran: reconcile fails and mails. The market fails: its task mails. It is mended: what is left is told."""
    partition = f"zillow56/bozeman-mt|{pipeline.today}"
    assert [] == pipeline.runs_of("extract_listings")
    assert "failed" == pipeline.reconcile()
    [alert] = about(mailbox, "reconcile_listings needs you")
    assert RECIPIENTS == alert.recipients
    assert "1 partition(s) overdue" in alert.text()
    assert f"  {partition}\n" in alert.text()

    refusal = {"message": "You are <not> subscribed to this API."}
    pipeline.api.set_faults([{"location": "bozeman, mt", "page": 1, "times": 1, "status": 403, "body": refusal}])
    run_id = pipeline.extract(["bozeman, mt"])
    assert "failed" == pipeline.finish(run_id)
    pipeline.until(lambda: about(mailbox, "land_listings failed") != [], "the failure is mailed")
    [failure] = about(mailbox, "land_listings failed")
    assert f"[listings] extract_listings.land_listings failed: bozeman, mt, {pipeline.today}" == failure.subject
    assert "You are <not> subscribed to this API." in failure.text()
    assert "You are &lt;not&gt; subscribed to this API." in failure.text("html")
    assert f"Log: {pipeline.stack.ui_url}/dags/extract_listings/runs/" in failure.text()

    pipeline.airflow.clear("extract_listings", run_id, only_failed=True)
    assert "success" == pipeline.finish(run_id)
    pipeline.wait_until_loaded("bozeman-mt")
    url = pipeline.environment["LISTINGS_TRANSFORM_DEAD_LETTER_URL"]
    queues = pipeline.client("sqs")
    send_again(queues, url, pipeline.environment["LISTINGS_RAW_BUCKET"], KEY.manifest)
    try:
        assert "failed" == pipeline.reconcile()
    finally:
        queues.purge_queue(QueueUrl=url)
    _, letter = about(mailbox, "reconcile_listings needs you")
    assert f"  transform_listings: 1 message(s): {KEY.manifest}\n" in letter.text()
    assert "overdue" not in letter.text()
    assert 3 == len(mailbox.mails)
