"""The form of an extraction: markets, family, search, page limit, and reasons for what is out of the ordinary."""

from __future__ import annotations

from airflow.sdk import Param

from include.base.markets import LONGEST_LOCATION, LONGEST_REASON, ONE_LINE
from include.base.searches import SALE, SEARCHES
from include.contract.families import known_sources

PARAMS = {
    "markets": Param(
        ["houston, tx", "austin, tx", "phoenix, az"],
        type="array",
        items={"type": "string", "maxLength": LONGEST_LOCATION, "pattern": ONE_LINE},
        minItems=1,
        title="Markets",
        description="One per line, as the API knows them: a city and its state.",
    ),
    "source": Param(
        "zillow56",
        type="string",
        enum=list(known_sources()),
        title="API family",
        description="Which of the listing APIs to ask (source).",
    ),
    "listing": Param(
        SALE,
        type="string",
        enum=list(SEARCHES),
        title="Homes",
        description="For sale, for rent or sold: each is a market of its own (houston-tx-rent).",
    ),
    "page_limit": Param(
        20,
        type="integer",
        minimum=1,
        maximum=20,
        title="Page limit",
        description="Pages per market at most; each page is one request of your quota. The API shows 20 at most.",
    ),
    "date_override": Param(
        None,
        type=["null", "string"],
        maxLength=LONGEST_REASON,
        pattern=ONE_LINE,
        title="Reason for another date",
        description="Only when the partition key is not today: why what the API serves now stands for that date.",
    ),
    "quota_override": Param(
        None,
        type=["null", "string"],
        maxLength=LONGEST_REASON,
        pattern=ONE_LINE,
        title="Reason not to believe the API's quota",
        description="Only when a run is refused for what the API last said of its quota: why there is more now.",
    ),
}
