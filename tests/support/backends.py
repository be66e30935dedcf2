"""The real things behind an extraction under test: the listing API as a process, and S3 by MiniStack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlparse

import httpx
from airflow.sdk.execution_time.context import OutletEventAccessors

from include.assets import LANDED_LISTINGS
from include.base.keys import SetKey, quota_prefix
from include.base.receipts import ExtractRequest
from include.extract.operator import LandListingsOperator
from tests.dags.conftest import PROJECT_ROOT
from tests.support.ministack import RunningMiniStack

API_KEY = "example-key-not-real"
PAGE_SIZE = 10
DATE = "2026-11-22"
EXTRACT_ID = "20261122T060003Z-1f3a9c"


@contextmanager
def listing_api(state: Path) -> Iterator[httpx.Client]:
    """A listing API of one's own on a free port, ten listings a page, no rate limit, no spoilt rows."""
    options = ["--port", "0", "--state", str(state), "--rate", "0", "--dirty", "0", "--page-size", str(PAGE_SIZE)]
    process = subprocess.Popen(
        [sys.executable, "-m", "local.listing_api", *options], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with httpx.Client(base_url=process.stdout.readline().split()[-1], timeout=10, trust_env=False) as client:
            yield client
    finally:
        process.kill()
        process.communicate()


class Extraction:
    """One extraction task after the other against real backends, and what they left."""

    def __init__(self, api: httpx.Client, aws: RunningMiniStack, s3: Any, bucket: str) -> None:
        self.api = api
        self.aws = aws
        self.bucket = bucket
        self.s3 = s3
        self.s3.create_bucket(Bucket=bucket)
        self.events = OutletEventAccessors()

    def run(self, location: str = "houston, tx", page_limit: int = 3, **changes: Any) -> dict[str, Any]:
        """Runs the mapped task of one market, as a worker does, and returns what goes to XCom.

        `started_at`: when the try begins, on the day itself unless told.
        """
        started_at = changes.pop("started_at", datetime.fromisoformat(f"{DATE}T06:00:03Z"))
        market = changes.pop("market", location.replace(", ", "-").replace(" ", "-"))
        ordinary = ExtractRequest("zillow56", market, location, DATE, EXTRACT_ID, "manual__example", page_limit)
        self.events = OutletEventAccessors()
        operator = LandListingsOperator(task_id="land_listings", request={**ordinary.to_dict(), **changes})
        ti = SimpleNamespace(start_date=started_at, map_index=0)
        return operator.execute({"outlet_events": self.events, "ti": ti})

    def fault(self, *faults: dict[str, Any]) -> None:
        """Scripts what goes wrong, once each."""
        self.api.put("/_control/faults", json=list(faults)).raise_for_status()

    def quota(self, limit: int) -> None:
        """Sets how many requests the key may make in a month, those made already included."""
        self.api.put("/_control/quota", json={"limit": limit}).raise_for_status()

    def asked(self) -> dict[str, int]:
        """How often each page was asked for since the last look."""
        found: dict[str, int] = self.api.get("/_control/requests").raise_for_status().json()["by_page"]
        self.api.post("/_control/reset?only=requests").raise_for_status()
        return found

    def landed(self, prefix: str = "") -> list[str]:
        """The keys in the landing bucket, in order."""
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]

    def entries(self) -> list[str]:
        """The keys of this month's entries in the quota ledger; in its first day one closes the month before."""
        return self.landed(quota_prefix("zillow56", f"{datetime.now(UTC):%Y-%m}"))

    def names(self, market: str = "houston-tx", source: str = "zillow56") -> list[str]:
        """The names of the objects of one market's set."""
        prefix = SetKey(source, market, DATE, EXTRACT_ID).prefix
        return [key.removeprefix(prefix) for key in self.landed(prefix)]

    def body(self, key: str) -> bytes:
        """An object's bytes."""
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        assert isinstance(body, bytes)
        return body

    def announced(self) -> tuple[set[str], dict[str, Any]]:
        """The partitions and the extra of the last task's event."""
        event = self.events[LANDED_LISTINGS]
        return event.partition_keys, event.extra


def environment(api: httpx.Client, aws: RunningMiniStack, bucket: str, key: str = API_KEY) -> dict[str, str]:
    """The connections and settings of a stack with these backends; no pause between requests."""
    address = urlparse(str(api.base_url))
    connection = {"conn_type": "http", "schema": "http", "host": address.hostname, "port": address.port}
    aws_extra = {"endpoint_url": aws.endpoint, "region_name": "us-east-1"}
    return {
        "PATH": os.environ.get("PATH", ""),
        "AIRFLOW_CONN_ZILLOW_API": json.dumps({**connection, "extra": _headers(key, "zillow56.p.rapidapi.com")}),
        "AIRFLOW_CONN_ZILLOW_COM4_API": json.dumps(
            {**connection, "extra": _headers(key, "zillow-com4.p.rapidapi.com")}
        ),
        "AIRFLOW_CONN_ZILLOW_COM1_API": json.dumps(
            {**connection, "extra": _headers(key, "zillow-com1.p.rapidapi.com")}
        ),
        "AIRFLOW_CONN_ZILLOW_WORKING_API": json.dumps(
            {**connection, "extra": _headers(key, "zillow-working-api.p.rapidapi.com")}
        ),
        "AIRFLOW_CONN_AWS_S3_CONN": json.dumps(
            {"conn_type": "aws", "login": "test", "password": "test", "extra": aws_extra}
        ),
        "LISTINGS_LANDING_BUCKET": bucket,
        "LISTINGS_RAW_BUCKET": f"{bucket}-raw",
        "LISTINGS_CLEAN_BUCKET": f"{bucket}-clean",
        "LISTINGS_COPY_QUEUE_URL": "copy-raw",
        "LISTINGS_TRANSFORM_QUEUE_URL": "transform-listings",
        "LISTINGS_COPY_DEAD_LETTER_URL": "copy-raw-dead",
        "LISTINGS_TRANSFORM_DEAD_LETTER_URL": "transform-listings-dead",
        "LISTINGS_TRANSFORM_VERSION": "aaaaaaaaaaaa",
        "LISTINGS_REQUESTS_PER_SECOND": "1000",
    }


def _headers(key: str, host: str) -> dict[str, str]:
    return {"x-rapidapi-key": key, "x-rapidapi-host": host} if key else {"x-rapidapi-host": host}
