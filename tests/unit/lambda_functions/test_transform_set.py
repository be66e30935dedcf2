"""What the transform makes of a whole set: duplicates, counts, order, and files."""

import io
import json
import subprocess

import pyarrow.parquet as pq
import pytest

from include.contract.adapters import parse_adapter
from include.contract.families import compile_adapter, known_sources, load_source
from include.contract.listing import compile_contract
from tests.support.transform_code import FOLDER, PREFIX, ROOT, clean, fixture, manifest_of, row

from parquet import to_parquet  # isort: skip
from plan import make_plan  # isort: skip
from transform import Cleaned, Cleaner, SetError  # isort: skip


def page(*rows: object) -> tuple[bytes, int]:
    """A zillow56 page and its number of listings."""
    return json.dumps({"results": list(rows)}).encode(), len(rows)


def test_the_fixture_s_six_listings_are_all_accounted_for() -> None:
    """Landed is clean and rejected and duplicates, each counted by hand."""
    cleaned = clean((fixture("zillow56"), 6))
    assert {
        "landed": 6,
        "clean": 4,
        "rejected": 1,
        "duplicates": 1,
        "not_listings": 0,
        "unreadable": 0,
    } == cleaned.counts
    assert {"price_invalid": 1} == cleaned.rejects_by_reason
    assert {
        "home_type_unknown": 1,
        "no_coordinates": 1,
        "plot": 1,
        "price_suffix": 1,
        "price_zero": 1,
        "rent_like_price": 1,
    } == cleaned.oddities
    assert [(40000002, 1), (40000003, 2), (40000004, 3), (40000001, 5)] == list(
        zip(_zpids(cleaned), cleaned.listings["raw_position"].to_pylist(), strict=True)
    )


def test_the_last_of_duplicates_stays() -> None:
    """Of listings with one zpid, the one on the later page, or later in the page, is kept where it stood."""
    cleaned = clean(page(row(1, price=1), row(2, price=2), row(1, price=3)), page(row(3), row("2", price=4)))
    kept = cleaned.listings.select(["zpid", "price", "raw_key", "raw_position"]).to_pylist()
    assert [(1, 3, "page-0001.json", 2), (3, 100000, "page-0002.json", 0), (2, 4, "page-0002.json", 1)] == [
        (each["zpid"], each["price"], each["raw_key"].removeprefix(PREFIX), each["raw_position"]) for each in kept
    ]
    assert 2 == cleaned.counts["duplicates"]


def test_a_page_that_comes_twice_is_clean_once() -> None:
    """An API that answers each of five pages with the first loses nothing and doubles nothing: four are duplicates."""
    once = page(row(1), row(2), row(3))
    cleaned = clean(*[once] * 5)
    assert [1, 2, 3] == _zpids(cleaned)
    assert {
        "landed": 15,
        "clean": 3,
        "rejected": 0,
        "duplicates": 12,
        "not_listings": 0,
        "unreadable": 0,
    } == cleaned.counts


def test_a_duplicate_that_is_rejected_supersedes_nothing() -> None:
    """A row that breaks the contract does not push out one that keeps it."""
    cleaned = clean(page(row(1, price=5), row(1, price=-5)))
    assert {"clean": 1, "rejected": 1, "duplicates": 0}.items() <= cleaned.counts.items()


def test_rows_around_a_bad_one_keep_their_positions() -> None:
    """Lineage counts the rows of the page as it was sent, in both the quick and the slow reading."""
    by_range = clean(page(row(1), row(2, price=-1), row(3)))
    by_type = clean(page(row(1), row(2, price="--"), row(3)))
    for cleaned in (by_range, by_type):
        assert ([0, 2], [1]) == (
            cleaned.listings["raw_position"].to_pylist(),
            cleaned.rejects["raw_position"].to_pylist(),
        )


def test_many_pages_are_cleaned_in_chunks_without_loss() -> None:
    """A set of more rows than are held at a time comes out whole and in order."""
    pages = [page(*(row(1 + 40 * number + each) for each in range(40))) for number in range(130)]
    cleaned = clean(*pages)
    assert list(range(1, 5201)) == _zpids(cleaned)
    assert (f"{PREFIX}page-0130.json", 39) == (
        cleaned.listings["raw_key"][5199].as_py(),
        cleaned.listings["raw_position"][5199].as_py(),
    )


def test_an_empty_set_is_a_set() -> None:
    """A market without listings gives two files without rows."""
    cleaned = clean(page())
    assert (0, 0, 37, 11) == (
        len(cleaned.listings),
        len(cleaned.rejects),
        cleaned.listings.num_columns,
        cleaned.rejects.num_columns,
    )


def test_a_page_with_another_number_of_listings_stops_the_set() -> None:
    """A difference to what was counted at landing is named, and nothing is published."""
    with pytest.raises(SetError, match=r"page-0001.json holds 1 listings; its manifest says 2"):
        clean((page(row(1))[0], 2))


@pytest.mark.parametrize(
    "page_text",
    [
        '{"searchResults": [%s]}',
        '{"data": {"searchResults": [%s]}}',
        '{"searchResults": null, "data": {"searchResults": [%s]}}',
    ],
)
def test_a_new_family_is_a_file_and_no_code(page_text: str) -> None:
    """An invented family with wrapped rows, in either of two places, is cleaned as its file says."""
    document = {
        "source": "invented",
        "connection": "invented_api",
        "request": {
            "method": "GET",
            "host": "api.example.com",
            "path": "/homes",
            "location_param": "query",
            "page_param": "page",
            "first_page": 0,
            "page_cap": 5,
            "listing": {"sale": {}},
        },
        "listings": {"at": ["searchResults", "data.searchResults"], "each": "property"},
        "page_facts": {},
        "errors": {"message_at": ["message"], "permanent": ["nothing"]},
        "columns": {
            "zpid": {"path": "ids.zillow-id", "as": "integer"},
            "price": {"path": "class.price", "as": "number"},
        },
    }
    rows = (
        '{"property": {"ids": {"zillow-id": "7"}, "class": {"price": 1}}}',
        '{"property": {"ids": {"zillow-id": 8}, "class": {"price": "?"}}}',
        '{"resultType": "propertyGroup"}',
        "null",
    )
    body = (page_text % ", ".join(rows)).encode()
    manifest = manifest_of([(body, 4)], source="invented")
    adapter = compile_adapter(parse_adapter("invented", document))
    cleaned = Cleaner(make_plan(compile_contract(), adapter)).clean(manifest, [(manifest["pages"][0], body)], PREFIX)
    assert [7] == _zpids(cleaned)
    assert [("8", "price_invalid"), (None, "row_invalid"), (None, "row_invalid")] == [
        (each["zpid"], each["reason"]) for each in cleaned.rejects.to_pylist()
    ]


@pytest.mark.parametrize("family", known_sources())
def test_landing_and_cleaning_count_a_page_alike(family: str) -> None:
    """What the extract side counts on a page is what the transform accounts for."""
    page_bytes = fixture(family)
    counts = clean((page_bytes, load_source(family).read_page(page_bytes).listings), source=family).counts
    assert counts["landed"] == sum(counts.values()) - counts["landed"]


def test_parquet_is_what_redshift_reads_and_the_same_every_time() -> None:
    """One row group, snappy, and equal bytes for equal input."""
    written = to_parquet(clean((fixture("zillow56"), 6)).listings)
    assert written == to_parquet(clean((fixture("zillow56"), 6)).listings)
    meta = pq.ParquetFile(io.BytesIO(written)).metadata
    assert (1, 4, 37) == (meta.num_row_groups, meta.num_rows, meta.num_columns)
    assert {"SNAPPY"} == {meta.row_group(0).column(each).compression for each in range(37)}
    assert "FIXED_LEN_BYTE_ARRAY" == meta.row_group(0).column(6).physical_type


def test_the_function_needs_neither_pandas_nor_numpy() -> None:
    """In the Lambda's environment, unlike that of the tests, importing the transform brings in neither."""
    python = ROOT / ".venv" / "local" / "bin" / "python"
    code = "import sys, transform, parquet; print(sorted({'pandas', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([python, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def _zpids(cleaned: Cleaned) -> list[int]:
    return cleaned.listings["zpid"].to_pylist()
