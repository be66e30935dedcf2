"""A checkout whose contract got a column: what an engineer changes, and a program that loads with it.

As a program it is run inside the changed copy: it migrates the warehouse, tries to stage a set of the old contract,
loads the same extraction as the new transform cleaned it, and prints what it found as JSON.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parents[2]
COLUMN = """
      - name: hoa_fee
        logicalType: number
        physicalType: DECIMAL(14,2)
        required: false
        description: What the owners' association asks a month.
        customProperties:
          - {property: origin, value: derived}
  - name: reject
"""
MIGRATION = """-- {name}
-- What: the contract's new column, last in staging, where COPY goes by position; null for what was loaded before.
-- Grain: as the tables have it.
-- Keys: the same.

alter table staging.listings add column hoa_fee decimal(14, 2);

alter table core.listing_snapshots add column hoa_fee decimal(14, 2);

alter table core.listings add column hoa_fee decimal(14, 2);
"""


def changed_copy(folder: Path) -> Path:
    """A copy of what the load is made of, with a column at the end of a listing and its migration."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("include", "tools", "tests/integration", "tests/sql", "tests/support"):
        shutil.copytree(PROJECT_ROOT / part, folder / part, ignore=ignored)
    for part in ("tests/support/ministack.py", "tests/conftest.py", "pyproject.toml"):
        shutil.copyfile(PROJECT_ROOT / part, folder / part)
    sql = folder / "include" / "sql"
    number = len(list((sql / "ddl").glob("*.sql"))) + 1
    name = f"ddl/{number:03d}_hoa_fee.sql"
    (sql / name).write_text(MIGRATION.format(name=name))
    _edit(
        folder / "include" / "schemas" / "listing.odcs.yaml",
        ("\n  - name: reject\n", COLUMN),
        ("\nversion: ", "\nversion: 9."),
    )
    into = ("    sold_at\n)", "    sold_at,\n    hoa_fee\n)")
    _edit(
        sql / "load" / "040_snapshots.sql",
        into,
        ("    staged.sold_at\n", "    staged.sold_at,\n    staged.hoa_fee\n"),
    )
    _edit(
        sql / "load" / "050_listings.sql",
        into,
        ("        snapshots.sold_at,\n", "        snapshots.sold_at,\n        snapshots.hoa_fee,\n"),
        ("    sold_at\nfrom ranked", "    sold_at,\n    hoa_fee\nfrom ranked"),
    )
    return folder


def _edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in changes:
        assert text.count(before) == 1, f"{path.name}: {before!r} stands there {text.count(before)} times"
        text = text.replace(before, after)
    path.write_text(text)


class _Files:
    """Stores files as the tests' warehouse does."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def put(self, key: str, body: bytes) -> str:
        """Stores an object; its URL."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def put_parquet(self, key: str, table: Any) -> tuple[str, int]:
        """Stores a table as Parquet; its URL and its size in bytes."""
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(table, out)
        return self.put(key, out.getvalue()), len(out.getvalue())


def main(port: int, endpoint: str, old_contract: str) -> dict[str, Any]:
    """Migrates, is refused the old set, loads the new one; everything of ours is imported from the copy."""
    import boto3
    import redshift_connector

    from include.base.batches import InvalidBatch
    from include.warehouse.migrations import migrate
    from tests.support.copied_sets import copied
    from tests.support.staged_sets import load_staged, seen
    from tests.support.warehouse_fixture import BUCKET, HOST, SECRETS

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    files: Any = _Files(boto3.client("s3", endpoint_url=endpoint, **keys), BUCKET)
    where = {"host": HOST, "port": port, "database": "listings", "ssl": False}
    found: dict[str, Any] = {}
    with closing(redshift_connector.connect(user="loader", password=SECRETS["loader"], **where)) as connection:
        found["applied"] = migrate(connection)
        try:
            copied(files, connection, "old", seen({1: 100}, contract_version=old_contract))
        except InvalidBatch as refused:
            found["refused"] = str(refused)
        again = seen({1: 100}, version="newtransform", rows={1: {"hoa_fee": 250.5}})
        found["accepted"] = load_staged(connection, copied(files, connection, "new", again)).accepted
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), sys.argv[2], sys.argv[3])))
