"""Each SQL file keeps the style that `include/sql/.sqlfluff` states."""

from hashlib import sha256

import pytest
import sqlfluff
from sqlfluff.core import FluffConfig

from include.warehouse.sql_files import SQL_DIR
from tests.support.sql_texts import ALL_FILES


@pytest.mark.parametrize("name", ALL_FILES)
def test_sqlfluff_has_no_complaint(name: str, pytestconfig: pytest.Config) -> None:
    """sqlfluff, which takes a second for a long file, is asked again only of a text that it has not passed before."""
    text, style = (SQL_DIR / name).read_text(), (SQL_DIR / ".sqlfluff").read_text()
    passed = f"sqlfluff/{sha256(repr((sqlfluff.__version__, style, text)).encode()).hexdigest()}"
    assert pytestconfig.cache is not None
    if not pytestconfig.cache.get(passed, False):
        found = sqlfluff.lint(text, config=FluffConfig.from_path(str(SQL_DIR / name)))
        assert [] == [f"{v['start_line_no']}: {v['code']} {v['description']}" for v in found]
        pytestconfig.cache.set(passed, True)
