"""Recorded pages: which folders are served, and what is said of those that are not."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.listing_api.families import FAMILIES
from local.listing_api.families.family import BadRequest
from local.listing_api.recordings import BadRecording, load_recordings

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
FLAT = b'{ "results": [ {"zpid": 1} ],  "resultsPerPage": 41, "totalPages": 20, "totalResultCount": 13798 }'
TEXTS = b'{"props": [{"zpid": "3"}], "totalPages": 20, "schools": {}, "currentPage": 1}'
WRAPPED = b'{"resultsCount": 1, "pagesInfo": {"totalPages": 3, "currentPage": 1}, "searchResults": [{"property": {}}]}'
BELOW = b'{"data": {"searchResults": [{"property": {}}], "searchResultCounts": {}}, "page": 1}'
NESTED = b'{"status": true, "message": "ok", "data": [{"zpid": 2}], "meta": {"currentPage": 1, "totalPage": 3}}'


def _write(folder: Path, *pages: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages, start=1):
        (folder / f"page-{number:04d}.json").write_bytes(page)
    return folder


def test_a_flat_folder_is_served_for_every_location(tmp_path: Path) -> None:
    """A page comes back byte for byte, whatever the location."""
    pages = load_recordings(_write(tmp_path, FLAT))
    for location in ("houston, tx", "austin, tx"):
        assert pages.body(FAMILIES["zillow56"], {"location": location}, 1, NOW) == FLAT


@pytest.mark.parametrize(
    ("family", "page", "expected"),
    [
        ("zillow56", FLAT, {"results": [], "resultsPerPage": 41, "totalPages": 20, "totalResultCount": 13798}),
        ("zillow-com1", TEXTS, {"props": [], "totalPages": 20, "schools": {}, "currentPage": 2}),
        (
            "zillow-working-api",
            WRAPPED,
            {"resultsCount": 1, "pagesInfo": {"totalPages": 3, "currentPage": 2}, "searchResults": []},
        ),
        ("zillow-working-api", BELOW, {"data": {"searchResults": [], "searchResultCounts": {}}, "page": 1}),
        (
            "zillow-com4",
            NESTED,
            {"status": True, "message": "ok", "data": [], "meta": {"currentPage": 2, "totalPage": 3}},
        ),
    ],
)
def test_after_the_last_recorded_page_come_empty_ones(
    tmp_path: Path, family: str, page: bytes, expected: object
) -> None:
    """A page that was not recorded has no listings and the last recorded page's facts."""
    pages = load_recordings(_write(tmp_path, page))
    assert expected == json.loads(
        pages.body(FAMILIES[family], {"location": "houston, tx", "query": "houston, tx"}, 2, NOW)
    )


def test_folders_by_market_are_served_to_their_market(tmp_path: Path) -> None:
    """Each market gets the pages of its own folder, and a market without one a message that lists the others."""
    _write(tmp_path / "houston-tx", FLAT)
    _write(tmp_path / "austin-tx", NESTED)
    pages = load_recordings(tmp_path)
    assert pages.body(FAMILIES["zillow56"], {"location": "Houston, TX"}, 1, NOW) == FLAT
    assert pages.body(FAMILIES["zillow-com4"], {"location": "austin, tx"}, 1, NOW) == NESTED
    with pytest.raises(BadRequest, match="Recorded are: austin-tx, houston-tx"):
        pages.body(FAMILIES["zillow56"], {"location": "dallas, tx"}, 1, NOW)


def test_another_family_is_told_whose_pages_they_are(tmp_path: Path) -> None:
    """Pages of one family are never given to a request for another."""
    pages = load_recordings(_write(tmp_path, FLAT))
    with pytest.raises(BadRequest, match="are of zillow56, not of zillow-com4"):
        pages.body(FAMILIES["zillow-com4"], {"location": "houston, tx"}, 1, NOW)


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([], "expected recorded pages page-0001.json"),
        ([FLAT, b'{"results": [{"zpid"'], "page-0002.json: expected a page as JSON"),
        ([b"\r\n"], "page-0001.json: expected a page as JSON"),
        ([b"\xff\xfe\x00"], "page-0001.json: expected a page as JSON"),
        ([b'{"message": "Too many requests"}'], "page-0001.json: expected a list of listings .* the keys message"),
        ([b'{"results": {}}'], "page-0001.json: expected a list of listings .* the keys results"),
        ([b"[]"], "page-0001.json: expected a list of listings .* a list"),
        ([FLAT, NESTED], "expected pages of one family, found zillow-com4 and zillow56"),
    ],
)
def test_a_folder_that_cannot_be_served_is_named(tmp_path: Path, pages: list[bytes], message: str) -> None:
    """Empty folders, broken files, error bodies and mixed families are refused by name."""
    with pytest.raises(BadRecording, match=message):
        load_recordings(_write(tmp_path, *pages))


def test_a_gap_in_the_pages_is_named(tmp_path: Path) -> None:
    """When page 2 is missing, the error asks for page-0002.json."""
    _write(tmp_path, FLAT, FLAT, FLAT)
    (tmp_path / "page-0002.json").unlink()
    with pytest.raises(BadRecording, match=r"page-0003\.json: expected page-0002\.json as the next page"):
        load_recordings(tmp_path)


def test_pages_beside_folders_are_refused(tmp_path: Path) -> None:
    """A folder with both pages and market folders is ambiguous and refused."""
    _write(tmp_path, FLAT)
    _write(tmp_path / "houston-tx", FLAT)
    with pytest.raises(BadRecording, match="found both"):
        load_recordings(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path without a folder is refused by name."""
    with pytest.raises(BadRecording, match="nowhere: expected a folder"):
        load_recordings(tmp_path / "nowhere")
