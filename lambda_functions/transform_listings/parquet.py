"""Knows how a table becomes a file that Redshift's COPY reads."""

import arrow_pool  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(table: pa.Table) -> bytes:
    """The table as Parquet: snappy, one row group, columns in their order; the same bytes for the same table.

    No AWS page lists zstd inside Parquet, and gzip there takes many times as long to write.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", row_group_size=max(1, len(table)))
    written: bytes = sink.getvalue().to_pybytes()
    return written
