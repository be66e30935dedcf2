"""The transform's work as one process: a set on disk in, listings.parquet and rejects.parquet out.

Usage: python bench/clean_pages.py SET_FOLDER OUT_FOLDER
The set's folder holds the pages, `_manifest.json`, and `contract.json` and `source.json` as the build makes them.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# In place of this folder: the function's files import each other by their bare names, as in the zip.
sys.path[0] = str(Path(__file__).parents[1] / "lambda_functions" / "transform_listings")

from parquet import to_parquet  # noqa: E402
from plan import make_plan  # noqa: E402
from transform import Cleaner  # noqa: E402


def main(folder: Path, out: Path) -> None:
    """Cleans the set; fails where a page differs from its checksum, as the function does."""
    manifest = json.loads((folder / "_manifest.json").read_bytes())
    contract = json.loads((folder / "contract.json").read_bytes())
    cleaner = Cleaner(make_plan(contract, json.loads((folder / "source.json").read_bytes())))
    cleaned = cleaner.clean(manifest, _pages(folder, manifest), "bench/")
    (out / "listings.parquet").write_bytes(to_parquet(cleaned.listings))
    (out / "rejects.parquet").write_bytes(to_parquet(cleaned.rejects))
    sys.stdout.write(json.dumps(dict(cleaned.counts)))


def _pages(folder: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    for entry in manifest["pages"]:
        body = (folder / entry["name"]).read_bytes()
        if hashlib.sha256(body).hexdigest() != entry["sha256"]:
            raise ValueError(f"{entry['name']} differs from its checksum in the manifest")
        yield entry, body


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
