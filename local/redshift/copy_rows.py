"""Turns the files of a COPY into the CSV that PostgreSQL reads, and finds the rows Redshift would not take."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from local.redshift.copy_source import S3Object, Source
from local.redshift.copy_statement import CopyStatement

BATCH_ROWS = 8192
_QUOTED_WHERE_NEEDED = pa_csv.WriteOptions(include_header=False)

# Arrow's spelling of the physical types a Redshift column takes from Parquet, by PostgreSQL's spelling.
_EXACT = {
    "smallint": {"int8", "int16"},
    "integer": {"int32"},
    "bigint": {"int64"},
    "real": {"float"},
    "double precision": {"double"},
    "boolean": {"bool"},
    "date": {"date32[day]"},
}


@dataclass(frozen=True)
class Column:
    """A target column: its name and its type as format_type() spells it."""

    name: str
    type: str

    @property
    def max_bytes(self) -> int | None:
        """The length of a text column; Redshift counts it in bytes. None for other types."""
        match = re.match(r"character(?: varying)?\((\d+)\)$", self.type)
        return int(match[1]) if match else None

    @property
    def text(self) -> bool:
        """Whether it holds text."""
        return self.type.startswith("character") or self.type == "text"


class LoadError(Exception):
    """A row or a file that cannot be loaded; becomes a row of stl_load_errors."""

    def __init__(
        self, file: str, reason: str, *, code: int, line: int = 0, column: str = "", kind: str = "", value: str = ""
    ) -> None:
        super().__init__(reason)
        self.file, self.reason, self.code = file, reason, code
        self.line, self.column, self.kind, self.value = line, column, kind, value


class Rows:
    """The rows of all files of one COPY, as chunks of CSV; knows which file and line a row came from."""

    def __init__(self, source: Source, statement: CopyStatement, columns: list[Column]) -> None:
        self._source = source
        self._statement = statement
        self._columns = columns
        self._sent = 0
        self._starts: list[tuple[int, str, int]] = []

    def chunks(self, files: list[S3Object]) -> Iterator[bytes]:
        """CSV without header, NULL as the empty unquoted field. LoadError at the first row not to be had."""
        for file in files:
            if self._statement.parquet:
                self._starts.append((self._sent, file.url, 0))
                yield from self._parquet(file)
            else:
                yield from self._csv(file)

    def origin(self, line: int) -> tuple[str, int]:
        """The file and the line in it (rows counted from 1) of the line of CSV that PostgreSQL names."""
        for sent, url, skipped in reversed(self._starts):
            if line > sent:
                return url, line - sent + skipped
        return "", 0

    def _parquet(self, file: S3Object) -> Iterator[bytes]:
        try:
            parquet = pq.ParquetFile(pa.BufferReader(self._source.open(file).read()))
        except pa.ArrowInvalid as error:
            raise LoadError(file.url, f"Invalid Parquet file: {error}", code=15001) from error
        schema = parquet.schema_arrow
        if len(schema) != len(self._columns):
            raise LoadError(
                file.url,
                "Unmatched number of columns between table and file. "
                f"Table columns: {len(self._columns)}, Data columns: {len(schema)}, File name: {file.url}",
                code=15001,
            )
        for column, field in zip(self._columns, schema, strict=True):
            if not _loads_into(field.type, column):
                raise LoadError(
                    file.url,
                    f"File '{file.url}' has an incompatible Parquet schema for column '{column.name}'. "
                    f"Column type: {column.type.upper()}, Parquet schema: {field.type} {field.name}",
                    code=15001,
                    column=column.name,
                    kind=column.type,
                )
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
            self._check_lengths(file, batch)
            self._sent += batch.num_rows
            yield _to_csv(batch)

    def _check_lengths(self, file: S3Object, batch: pa.RecordBatch) -> None:
        for column, values in zip(self._columns, batch.columns, strict=True):
            if column.max_bytes is None:
                continue
            lengths = pc.binary_length(_plain_text(values))
            longest = pc.max(lengths).as_py()
            if longest is not None and longest > column.max_bytes:
                row = pc.index(lengths, longest).as_py()
                raise LoadError(
                    file.url,
                    f"The length of the data column {column.name} is longer than the length defined in the table. "
                    f"Table: {column.max_bytes}, Data: {longest}, File name: {file.url}",
                    code=15001,
                    line=self._sent - self._starts[-1][0] + row + 1,
                    column=column.name,
                    kind=column.type,
                    value=str(values[row].as_py()),
                )

    def _csv(self, file: S3Object) -> Iterator[bytes]:
        options = self._statement.options
        body = self._source.open(file)
        content = gzip.GzipFile(fileobj=body).read() if "GZIP" in options else body.read()
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.reader(
            text, delimiter=options.get("DELIMITER", ","), quotechar=options.get("QUOTE", '"'), strict=True
        )
        skipped = int(options.get("IGNOREHEADER", "0"))
        self._starts.append((self._sent, file.url, skipped))
        out = io.StringIO()
        for number, row in enumerate(reader, 1):
            if number <= skipped:
                continue
            out.write(self._csv_line(file, number, row))
            self._sent += 1
            if out.tell() > 1 << 18:
                yield out.getvalue().encode()
                out = io.StringIO()
        yield out.getvalue().encode()

    def _csv_line(self, file: S3Object, number: int, row: list[str]) -> str:
        if len(row) != len(self._columns):
            few = len(row) < len(self._columns)
            raise LoadError(
                file.url,
                "Delimiter not found" if few else "Extra column(s) found",
                code=1201 if few else 1202,
                line=number,
                column=self._columns[min(len(row), len(self._columns)) - 1].name,
                value=",".join(row),
            )
        return ",".join(self._csv_value(file, number, *pair) for pair in zip(self._columns, row, strict=True)) + "\n"

    def _csv_value(self, file: S3Object, number: int, column: Column, value: str) -> str:
        options = self._statement.options
        if value == options.get("NULL", "\\N") or (value == "" and (not column.text or "EMPTYASNULL" in options)):
            return ""
        if column.text and "BLANKSASNULL" in options and not value.strip():
            return ""
        if column.max_bytes is not None and len(value.encode()) > column.max_bytes:
            raise LoadError(
                file.url,
                "String length exceeds DDL length",
                code=1204,
                line=number,
                column=column.name,
                kind=column.type,
                value=value,
            )
        return '"' + value.replace('"', '""') + '"'


def _plain_text(values: Any) -> Any:
    return pc.cast(values, values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _loads_into(arrow: pa.DataType, column: Column) -> bool:
    """Whether Redshift takes this Parquet type for the column: exact, no conversion."""
    if column.type in _EXACT:
        return str(arrow) in _EXACT[column.type]
    if column.type.startswith("numeric"):
        match = re.match(r"numeric\((\d+),(\d+)\)$", column.type)
        if match is None or not pa.types.is_decimal(arrow):
            return False
        return bool((arrow.precision, arrow.scale) == (int(match[1]), int(match[2])))
    if column.type.startswith("timestamp"):
        return bool(pa.types.is_timestamp(arrow)) and arrow.unit in ("ms", "us")
    if column.text:
        plain = arrow.value_type if pa.types.is_dictionary(arrow) else arrow
        return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
    return False


def _to_csv(batch: pa.RecordBatch) -> bytes:
    columns = []
    for values in batch.columns:
        if pa.types.is_decimal(values.type):
            columns.append(pc.cast(values, pa.string()))
        else:
            columns.append(_plain_text(values))
    names = [str(number) for number in range(len(columns))]
    out = io.BytesIO()
    pa_csv.write_csv(pa.RecordBatch.from_arrays(columns, names=names), out, _QUOTED_WHERE_NEEDED)
    return out.getvalue()
