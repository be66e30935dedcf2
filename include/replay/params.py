"""The form of a replay: which dates, markets and family, and whether only what is missing."""

from __future__ import annotations

from airflow.sdk import Param

from include.contract.families import known_sources

PARAMS = {
    "from_date": Param(type="string", format="date", title="From", description="The first date."),
    "to_date": Param(type="string", format="date", title="To", description="The last date, included."),
    "markets": Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title="Markets",
        description='One per line, as in the keys (houston-tx-rent) or, for sale, "houston, tx"; none: all.',
    ),
    "source": Param(
        None, type=["null", "string"], enum=[None, *known_sources()], title="API family", description="None: all."
    ),
    "only_missing": Param(
        False, type="boolean", title="Only missing", description="Only what is not loaded or should hold its day."
    ),
}
