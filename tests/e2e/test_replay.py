"""What is lost in the warehouse comes again from raw, and what died comes back, each by one command."""

from __future__ import annotations

import io
from contextlib import closing
from typing import Any

import pytest
from rich.console import Console

from local.commands import replay, withdraw
from local.commands.clients import loader_connection
from tests.support.pipeline import Pipeline

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("after_the_waves")]

MARKETS = ("fresno-ca", "chico-ca")
BUSINESS = {
    "listing_snapshots": "source, market, snapshot_date, zpid, price, observed_at, raw_key, raw_position",
    "listings": "source, zpid, market, snapshot_date, price, observed_at, raw_key",
    "listing_history": "source, zpid, valid_from, valid_to, price, home_status, last_seen_on, days_seen",
    "listing_rejects": "source, market, snapshot_date, extract_id, raw_key, raw_position, reason, detail",
}


def core(pipeline: Pipeline) -> dict[str, list[Any]]:
    """Everything in `core` about the two markets' listings, by business key."""
    zpids = "select zpid from core.listing_snapshots where market like '%%-ca'"
    of = dict.fromkeys(BUSINESS, "market like '%%-ca'") | {"listing_history": f"zpid in ({zpids})"}
    return {
        table: sorted(pipeline.warehouse(f"select {columns} from core.{table} where {of[table]}"), key=str)
        for table, columns in BUSINESS.items()
    }


def lose(pipeline: Pipeline, market: str) -> None:
    """A disaster: the market's day is gone, audit and all."""
    with closing(loader_connection(pipeline.stack)) as connection:
        connection.execute(
            "delete from core.listing_history using core.listing_snapshots as lost"
            " where lost.zpid = listing_history.zpid and lost.market = %s",
            (market,),
        )
        for table in ("listing_snapshots", "listings", "listing_rejects", "load_audit"):
            connection.execute(f"delete from core.{table} where market = %s", (market,))


def command(pipeline: Pipeline, markets: tuple[str, ...] = MARKETS, *, only_missing: bool = False) -> tuple[int, str]:
    """The exit code and the words of a replay of today."""
    words = io.StringIO()
    conf = {
        "from_date": pipeline.today,
        "to_date": pipeline.today,
        "markets": list(markets),
        "source": None,
        "only_missing": only_missing,
    }
    code = replay.replay(pipeline.stack, conf, Console(file=words, width=200))
    return code, words.getvalue()


@pytest.mark.wave
def test_lost_rows_come_again_without_a_request(pipeline: Pipeline) -> None:
    """A market's day lost in the warehouse is there again row for row, from raw alone; then a backfill has nothing."""
    assert "success" == pipeline.finish(pipeline.extract(["fresno, ca", "chico, ca"], page_limit=2))
    pipeline.wait_until_loaded(*MARKETS)
    before, requests = core(pipeline), [pipeline.asked(market) for market in MARKETS]
    lose(pipeline, "chico-ca")
    assert 0 == pipeline.loaded("chico-ca")

    code, words = command(pipeline, only_missing=True)
    assert (0, before) == (code, core(pipeline)), words
    assert [[pipeline.today, "1", "1", "1"]] == [line.split() for line in words.splitlines() if pipeline.today in line]

    lose(pipeline, "fresno-ca")
    code, words = command(pipeline)
    assert (0, before) == (code, core(pipeline)), words
    code, words = command(pipeline, only_missing=True)
    assert (0, True) == (code, "Nothing is missing" in words)
    assert requests == [pipeline.asked(market) for market in MARKETS]


@pytest.mark.wave
def test_a_set_is_withdrawn_and_given_back_by_a_command(pipeline: Pipeline) -> None:
    """Each time the object is put or gone, and the load of the date was woken and ended well."""
    assert "success" == pipeline.finish(pipeline.extract(["lodi, nj"]))
    pipeline.wait_until_loaded("lodi-nj")
    [(set_id,)] = pipeline.warehouse("select set_id from core.load_audit where market = 'lodi-nj'")
    for conf, said, left in (
        ({"reason": "a test"}, "is withdrawn: a test", 1),
        ({"reason": "again"}, "was withdrawn before, and the first reason stays: a test", 1),
        ({"give_back": True}, "is given back. It had been withdrawn: a test", 0),
    ):
        words = io.StringIO()
        code = withdraw.withdraw(pipeline.stack, {"set": set_id, **conf}, Console(file=words, width=200))

        assert 0 == code, words.getvalue()
        assert f"{set_id.rpartition('/')[0]} {said}\n" in words.getvalue()
        assert f"load_listings was woken for {pipeline.today}" in words.getvalue()
        assert left == len(pipeline.keys("raw", f"withdrawn/date={pipeline.today}/zillow56~lodi-nj~"))


def test_what_cannot_be_withdrawn_is_said(pipeline: Pipeline) -> None:
    """A set that raw does not have fails the command with the DAG's words."""
    words = io.StringIO()
    conf = {"set": f"zillow56/atlantis/{pipeline.today}/x", "reason": "a test"}

    assert 1 == withdraw.withdraw(pipeline.stack, conf, Console(file=words, width=200))
    assert f"no set zillow56/atlantis/{pipeline.today}/x lies in listings-local-raw-" in words.getvalue()


def test_a_replay_of_nothing_says_what_it_looked_for(pipeline: Pipeline) -> None:
    """A market that raw does not have fails the command with the DAG's words."""
    code, words = command(pipeline, ("atlantis", "'; drop table core.listings; --"))

    assert 1 == code
    assert f"no set lies in listings-local-raw-000000000000 for {pipeline.today} to {pipeline.today}" in words
    assert "nothing of atlantis, drop-table-core-listings-" in words


def test_a_dead_letter_comes_back_and_is_processed(pipeline: Pipeline) -> None:
    """A set whose copy was given up arrives in the warehouse after the redrive, and the queue of the dead is empty."""
    sqs, environment = pipeline.client("sqs"), pipeline.environment
    functions = pipeline.client("lambda")
    [trigger] = [
        each
        for each in functions.list_event_source_mappings()["EventSourceMappings"]
        if each["FunctionArn"].endswith("copy-raw")
    ]
    functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=False)
    try:
        assert "success" == pipeline.finish(pipeline.extract(["napa, ca"]))
        queue, dead = environment["LISTINGS_COPY_QUEUE_URL"], environment["LISTINGS_COPY_DEAD_LETTER_URL"]
        found: list[Any] = []
        pipeline.until(lambda: _taken(sqs, queue, found), "the notification of napa-ca is on its queue")
        sqs.send_message(QueueUrl=dead, MessageBody=found[0]["Body"])
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=found[0]["ReceiptHandle"])
    finally:
        functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=True)

    words = io.StringIO()
    assert 0 == replay.redrive(pipeline.stack, Console(file=words, width=200))

    assert "copy_raw: 1 message(s) back on its queue" in words.getvalue()
    pipeline.wait_until_loaded("napa-ca")
    count = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
    assert "0" == count["Attributes"]["ApproximateNumberOfMessages"]


def _taken(sqs: Any, queue: str, found: list[Any]) -> bool:
    found += sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages", [])
    return bool(found)
