"""The DAGs there are."""

DAG_IDS = [
    "extract_listings",
    "load_listings",
    "reconcile_listings",
    "redrive_listings",
    "replay_listings",
    "report_listings",
    "sense_listings",
    "withdraw_listings",
]
