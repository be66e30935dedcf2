"""The contract: read strictly, one order for everyone, and a data dictionary that does not drift."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from include.contract.listing import CONTRACT_FILE, ContractError, compile_contract, dictionary, load_contract

ROOT = Path(__file__).parents[3]
TYPES = {
    "VARCHAR": "string",
    "DECIMAL": "number",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BIGINT": "integer",
    "INTEGER": "integer",
    "BOOLEAN": "boolean",
}


def test_the_data_dictionary_is_the_contract_s() -> None:
    """docs/data-dictionary.md is what `python -m include.contract.listing --dictionary` prints now."""
    assert dictionary(load_contract()) == (ROOT / "docs" / "data-dictionary.md").read_text("utf-8")


def test_columns_come_in_copy_order() -> None:
    """37 columns of a listing and 11 of a reject, the set first, then what was added later last."""
    listing, reject = (load_contract().copy_columns(table) for table in ("listing", "reject"))
    assert (37, 11) == (len(listing), len(reject))
    assert ("source", "market", "snapshot_date", "zpid") == listing[:4]
    assert ("extract_id", "observed_at", "raw_key", "raw_position", "sold_at") == listing[-5:]
    assert ("zpid", "reason", "detail", "body") == reject[-4:]


@pytest.mark.parametrize(
    ("column", "arrow"),
    [
        ("price", pa.decimal128(14, 2)),
        ("latitude", pa.decimal128(9, 6)),
        ("bathrooms", pa.decimal128(5, 1)),
        ("zpid", pa.int64()),
        ("year_built", pa.int32()),
        ("snapshot_date", pa.date32()),
        ("observed_at", pa.timestamp("us", "UTC")),
        ("is_auction", pa.bool_()),
        ("zipcode", pa.string()),
    ],
)
def test_each_redshift_type_has_its_arrow_type(column: str, arrow: pa.DataType) -> None:
    """COPY of Parquet demands types that match: these are the ones that do."""
    assert arrow == load_contract().arrow_schema("listing").field(column).type


def test_required_columns_are_not_nullable() -> None:
    """What the contract requires is required in the Arrow schema too, and nothing else is."""
    required = {field.name for field in load_contract().arrow_schema("listing") if not field.nullable}
    assert {
        "source",
        "market",
        "snapshot_date",
        "zpid",
        "price",
        "extract_id",
        "observed_at",
        "raw_key",
        "raw_position",
        "is_new_home",
        "is_open_house",
        "is_foreclosure",
        "is_auction",
    } == required


def test_ranges_lengths_and_units_are_read() -> None:
    """A column tells its bounds as decimals, its bytes, its unit and its origin."""
    listing = load_contract().listing
    price = listing.column("price")
    assert (Decimal(0), Decimal(1_000_000_000), "US dollars", "payload", True) == (
        price.minimum,
        price.maximum,
        price.unit,
        price.origin,
        price.required,
    )
    assert (512, None) == (listing.column("street_address").length, price.length)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """A wrong table or column is named beside those that there are."""
    with pytest.raises(KeyError, match="no table 'listings'; it has listing, reject"):
        load_contract().copy_columns("listings")
    with pytest.raises(KeyError, match="listing has no column 'cost'; it has source, market"):
        load_contract().listing.column("cost")


def test_the_file_is_an_open_data_contract() -> None:
    """The properties that the standard asks for are there, and logical types agree with physical ones."""
    document = yaml.safe_load(CONTRACT_FILE.read_text("utf-8"))
    assert {"apiVersion", "kind", "id", "version", "status", "schema"} <= set(document)
    assert "DataContract" == document["kind"]
    for table in document["schema"]:
        for each in table["properties"]:
            assert TYPES[each["physicalType"].split("(")[0]] == each["logicalType"], each["name"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("physicalType: BIGINT", "physicalType: NUMBER", "listing.zpid: physicalType 'NUMBER' is none of VARCHAR"),
        ("origin, value: lineage", "origin, value: magic", "listing.raw_key: origin is 'magic', expected one of set"),
        ("maxLength: 512", "maxLength: 500", "listing.street_address: maxLength is 500, VARCHAR.512. holds 512"),
        ("name: reject", "name: refuse", "expected the schema objects listing and reject"),
    ],
)
def test_a_contract_that_is_not_understood_is_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    """A mistake in the file is named with its place, not carried on."""
    text = CONTRACT_FILE.read_text("utf-8")
    assert before in text
    changed = tmp_path / "listing.odcs.yaml"
    changed.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(ContractError, match=message):
        load_contract(changed)


def test_the_compiled_contract_is_plain_json() -> None:
    """What the build writes beside the transform comes back equal from JSON."""
    compiled = compile_contract()
    assert compiled == json.loads(json.dumps(compiled))
    assert list(load_contract().copy_columns("listing")) == [column["name"] for column in compiled["listing"]]


def test_loading_it_needs_neither_airflow_nor_pyarrow() -> None:
    """A DAG file that asks for the columns does not pay for Arrow."""
    code = (
        "import sys, include.contract.listing as c; c.load_contract(); print({'airflow', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()
