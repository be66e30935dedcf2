"""Sets staged as the DAG does it: Parquet files, a manifest, a COPY for each staging table."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from include.base.batches import Batch
from include.contract.listing import load_contract
from include.load.copy_manifests import copy_manifest
from include.warehouse.batch_load import create_staging
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import Seen
from tests.support.warehouse_fixture import KEYS, Warehouse


def copied(warehouse: Warehouse, connection: Connection, batch_id: str, *sets: Seen) -> Batch:
    """Stages sets as the DAG does: Parquet files, a manifest over them, one COPY a staging table."""
    ready, uris = [], {"listings": [], "rejects": []}
    for each in sets:
        where = f"{each.set_id}/{batch_id}"
        tables = {"listings": _table("listing", each.listings), "rejects": _table("reject", each.rejects)}
        found = {name: warehouse.put_parquet(f"{where}/{name}.parquet", table) for name, table in tables.items()}
        for name in uris:
            uris[name].append(found[name])
        ready.append(
            replace(
                each.ready,
                listings_uri=found["listings"][0],
                listings_bytes=found["listings"][1],
                rejects_uri=found["rejects"][0],
                rejects_bytes=found["rejects"][1],
            )
        )
    batch = Batch(batch_id, "test", tuple(ready))
    create_staging(connection, batch)
    with closing(connection.cursor()) as cursor:
        for name, table in (("listings", batch.staging_listings), ("rejects", batch.staging_rejects)):
            manifest = warehouse.put(f"loads/batch={batch_id}/{name}.manifest", copy_manifest(uris[name]))
            cursor.execute(f"copy {table} from '{manifest}' {KEYS} format as parquet manifest")
    connection.commit()
    return batch


def _table(name: str, found: tuple[dict[str, Any], ...]) -> pa.Table:
    schema = load_contract().arrow_schema(name)
    columns = {field.name: [_value(field.type, row.get(field.name)) for row in found] for field in schema}
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in columns.items()}, schema)


def _value(kind: pa.DataType, value: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_decimal(kind):
        return Decimal(str(value))
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
