"""The classic tutorial's work, for comparison: nine columns of every listing into one CSV, nothing checked.

Usage: python bench/tutorial.py PAGES_FOLDER OUT_FILE
"""

import json
import sys
from pathlib import Path

import pandas as pd

COLUMNS = [
    "bathrooms",
    "bedrooms",
    "city",
    "homeStatus",
    "homeType",
    "livingArea",
    "price",
    "rentZestimate",
    "zipcode",
]


def main(pages: Path, out: Path) -> None:
    """All pages in one frame: the tutorial makes a frame and a file per page, which takes longer still."""
    rows = []
    for page in sorted(pages.glob("page-*.json")):
        rows += json.loads(page.read_bytes())["results"]
    frame = pd.DataFrame(rows)[COLUMNS]
    frame.to_csv(out, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
