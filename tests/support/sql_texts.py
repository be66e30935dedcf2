"""Every SQL file by its folder, rendered for a batch."""

import sqlparse

from include.base.batches import Batch, ReadySet
from include.warehouse.sql_files import (
    CHECK_FILES,
    DDL_FILES,
    LOAD_FILES,
    MART_CHECK_FILES,
    MART_FILES,
    MART_RESET_FILES,
    REPORT_FILES,
    STAGING_FILES,
    render,
)

FOLDERS = {
    "ddl": DDL_FILES,
    "staging": STAGING_FILES,
    "load": LOAD_FILES,
    "checks": CHECK_FILES,
    "marts": MART_FILES,
    "mart_checks": MART_CHECK_FILES,
    "mart_reset": MART_RESET_FILES,
    "report": REPORT_FILES,
}


ALL_FILES = [name for names in FOLDERS.values() for name in names]


def a_batch() -> Batch:
    parts = ("zillow56", "houston-tx", "2026-11-22", "20261122T060003Z-1f3a9c", "0123456789ab")
    counts = (7, 4, 2, 1, 0, 0)
    files = ("s3://b/listings.parquet", 10, "s3://b/rejects.parquet", 10)
    ready = ReadySet("/".join(parts), *parts, "2026-11-22T06:00:05Z", *counts, *files)
    return Batch("b1", "manual__1", (ready,))


def statements(name: str) -> list[str]:
    """The statements of a rendered file, without comments."""
    text = sqlparse.format(render(name, a_batch()), strip_comments=True)
    return sqlparse.split(text, strip_semicolon=True)
