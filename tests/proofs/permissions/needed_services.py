"""Pieces of what is done outside Airflow: by the two functions, by the buckets that announce, by COPY.

As in `needed_pipeline`: a piece gets its things ready as root and returns what is to be tried.
"""

from __future__ import annotations

from collections.abc import Callable

from include.base.batches import ReadySet
from include.base.settings import resources
from include.ledger.queues import manifests
from include.load.copy_manifests import copy_manifest
from tests.proofs.permissions.needed_bench import Bench, GivenBack, NotAnnounced, Try
from tests.support import small_set


def copy_a_set(bench: Bench) -> Try:
    """The copy brings a landed set to raw."""
    key = bench.landed()

    def act() -> None:
        try:
            bench.copy(key)
        except GivenBack:
            assert not bench.is_in(resources().raw_bucket, key.manifest)
            raise
        assert bench.is_in(resources().raw_bucket, key.manifest)

    return act


def copy_a_set_again(bench: Bench) -> Try:
    """The copy meets a set in raw that it has brought there before: the same event came twice."""
    key = bench.landed()
    bench.copy(key)
    return lambda: bench.copy(key)


def clean_a_set(bench: Bench) -> Try:
    """The transform brings a raw set to the clean bucket."""
    key = bench.kept()

    def act() -> None:
        success = key.success(resources().transform_version)
        try:
            bench.transform(key)
        except GivenBack:
            assert not bench.is_in(resources().clean_bucket, success)
            raise
        assert bench.is_in(resources().clean_bucket, success)

    return act


def announced(bucket: str, queue: str) -> Callable[[Bench], Try]:
    """A bucket tells a queue of a manifest that was put."""

    def piece(bench: Bench) -> Try:
        sqs, url = bench.client("root", "sqs"), bench.deployed.outputs[queue]

        def act() -> None:
            sqs.purge_queue(QueueUrl=url)
            key = bench.new()
            bench.put(bench.deployed.outputs[bucket], {key.manifest: b"{}"})
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            if not any(key.manifest in manifests(message["Body"]) for message in messages):
                raise NotAnnounced(key.manifest)

        return act

    return piece


def copy_into_the_warehouse(bench: Bench) -> Try:
    """COPY finds and opens the files of a batch as its role: the local endpoint's own reading, without its tables."""
    from local.redshift.copy_source import S3Service, Source
    from local.redshift.copy_statement import parse_copy
    from local.redshift.lexer import tokenize

    key = bench.ready()
    [ready] = [each for each in bench.ledger.ready(small_set.DATE) if each.extract_id == key.extract_id]
    manifest = f"loads/batch={key.extract_id[-6:]}/listings.manifest"
    bench.put(resources().clean_bucket, {manifest: _copy_manifest(ready)})
    role = bench.deployed.outputs["RedshiftCopyRoleArn"]
    sql = f"copy t from 's3://{resources().clean_bucket}/{manifest}' iam_role '{role}' format as parquet manifest"
    service = S3Service(bench.deployed.ministack.endpoint, "us-east-1", "test", "test")

    def act() -> None:
        source = Source(service, parse_copy(tokenize(sql)), "loader")
        assert [ready.listings_bytes] == [len(source.open(file).read()) for file in source.files()]

    return act


def _copy_manifest(ready: ReadySet) -> bytes:
    return copy_manifest([(ready.listings_uri, ready.listings_bytes)])
