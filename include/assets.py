"""The asset register: each asset once, with who emits it and who consumes it."""

from airflow.sdk import Asset

GROUP = "listings"

LANDED_LISTINGS = Asset(name="landed_listings", uri="s3://listings-landing/listings", group=GROUP)
"""A complete set lies in the landing bucket. Partition: source/market|date.

Emitted by: extract_listings (the mapped task of the market), reconcile_listings, redrive_listings.
Consumed by: sense_listings.
"""

CLEAN_LISTINGS = Asset(name="clean_listings", uri="s3://listings-clean/listings", group=GROUP)
"""A set passed its gates and is ready to load, or was withdrawn or given back. Partition: source/market|date.

Emitted by: sense_listings, reconcile_listings, replay_listings, withdraw_listings.
Consumed by: load_listings.
"""

SUSPECT_LISTINGS = Asset(name="suspect_listings", uri="redshift://warehouse:5439/listings/core/load_audit", group=GROUP)
"""A batch of sets failed, and its halves are to be loaded. Partition: source/market|date, of one of its sets.

Emitted by: load_listings.
Consumed by: load_listings.
"""

WAREHOUSE_LISTINGS = Asset(
    name="warehouse_listings", uri="redshift://warehouse:5439/listings/core/listing_snapshots", group=GROUP
)
"""Sets are in the warehouse. Partition: all|date.

Emitted by: load_listings, reconcile_listings (where the marts were dropped).
Consumed by: report_listings.
"""

MARKET_REPORT = Asset(name="market_report", uri="s3://listings-clean/reports", group=GROUP)
"""The report of a date lies in the clean bucket; the event says where. Partition: all|date.

Emitted by: report_listings.
Consumed by: nobody; people, on the Listings page.
"""
