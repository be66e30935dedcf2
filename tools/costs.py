"""What the pipeline costs on AWS in a month: every figure of docs/costs.md, with its arithmetic.

Usage: python -m tools.costs        (prints the tables of docs/costs.md)

Prices are AWS's list prices in us-east-1, dollars, without free tiers. Volumes are measured on the local stack where
they can be; what only AWS can tell is an assumption, and says so.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

DAYS, HOURS = 30, 730
GB = 1e9

# Dollars; per hour, per GB and month, per million or per thousand, as named.
PRICE = {
    "t3.medium hour": 0.0416,
    "t3.large hour": 0.0832,
    "gp3 GB": 0.08,
    "IPv4 hour": 0.005,
    "RPU hour": 0.375,
    "Redshift GB": 0.024,
    "S3 GB": 0.023,
    "S3 IA GB": 0.0125,
    "S3 thousand PUT": 0.005,
    "S3 thousand GET": 0.0004,
    "Lambda GB second": 0.0000166667,
    "Lambda million": 0.20,
    "SQS million": 0.40,
    "secret": 0.40,
    "secrets 10 thousand": 0.05,
    "alarm": 0.10,
    "metric": 0.30,
    "log GB": 0.50,
    "mw1.small hour": 0.49,
    "NAT hour": 0.045,
}

# One market on one day: 20 pages of the zillow56 family, 820 listings.
PAGES, LISTINGS = 20, 820
PAGE_BYTES = 57_709  # the recorded page of 41 listings
CLEAN_BYTES = 112_000  # Parquet of 820 listings, by the 28 kB of a set of 204
CORE_BYTES = 250_000  # 820 rows in four tables; assumed
PUTS = 2 * (PAGES + 1) + 3 + 1 + 2 + 3  # landing, raw, clean, ready, quota, COPY manifests and report, shared
GETS = 5 * (PAGES + 1) + 30  # copied, verified, cleaned; gates, ledgers, lists
COPY_SECONDS, COPY_GB = 4.0, 0.5  # assumed: four pages at once, a second a round
TRANSFORM_SECONDS, TRANSFORM_GB = 2.0, 1.0  # 0.4 s on two cores for the largest set measured; Lambda's share is less
LOOKUPS = 60  # connections read by the tasks of a market
LOG_BYTES = 50_000

# What is there whatever the number of markets.
SECRETS, ALARMS = 10, 10
POLLS = 2 * 5 * 3 * 60 * 24  # two queues, five pollers each, an answer every twenty seconds
RECONCILE_MINUTES = 24 * 1.0  # Redshift charges a minute at least for each hourly look
LOAD_MINUTES = 1.5  # of Redshift for a batch and its report; assumed
PAGES_A_SECOND = 4.0  # LISTINGS_REQUESTS_PER_SECOND
RPU = 8


@dataclass(frozen=True)
class Line:
    """A part of the bill: what it is, how it is reckoned, and dollars a month."""

    part: str
    reckoned: str
    dollars: float


def batches(markets: int) -> float:
    """Loads in a day: while the extraction goes on they follow each other, and there are three at least."""
    minutes = markets * PAGES / PAGES_A_SECOND / 60
    return max(3.0, minutes / LOAD_MINUTES)


def rpu_hours(markets: int) -> float:
    """RPU hours that Redshift charges in a day."""
    return (RECONCILE_MINUTES + batches(markets) * LOAD_MINUTES) / 60 * RPU


def bill(markets: int, months: int = 12) -> list[Line]:
    """The month's bill for so many markets a day, once data has gathered for `months`."""
    sets = markets * DAYS
    raw = sets * PAGES * PAGE_BYTES / GB
    standard, seldom = raw * min(3, months), raw * max(0, months - 3)
    landing, clean = raw * min(3, months), sets * CLEAN_BYTES / GB * min(13, months)
    core = sets * CORE_BYTES / GB * months
    seconds = COPY_SECONDS * COPY_GB + TRANSFORM_SECONDS * TRANSFORM_GB
    used, polls = rpu_hours(markets), POLLS * DAYS / 1e6
    host = PRICE["t3.medium hour" if markets < 500 else "t3.large hour"]
    return [
        Line(
            "EC2, one t3.medium (at 1,000 markets t3.large) with 30 GB and an address",
            f"{HOURS} h x ({host} + {PRICE['IPv4 hour']}) + 30 x {PRICE['gp3 GB']}",
            HOURS * (host + PRICE["IPv4 hour"]) + 30 * PRICE["gp3 GB"],
        ),
        Line(
            "Redshift Serverless, 8 RPU",
            f"{used:.1f} RPU hours x {DAYS} x {PRICE['RPU hour']}; {core:.1f} GB x {PRICE['Redshift GB']}",
            used * DAYS * PRICE["RPU hour"] + core * PRICE["Redshift GB"],
        ),
        Line(
            "S3, kept",
            f"({standard + landing + clean:.1f} GB x {PRICE['S3 GB']}) + ({seldom:.1f} GB x {PRICE['S3 IA GB']})",
            (standard + landing + clean) * PRICE["S3 GB"] + seldom * PRICE["S3 IA GB"],
        ),
        Line(
            "S3, requests",
            f"{sets:,} sets x ({PUTS} PUT, {GETS} GET)",
            sets * (PUTS * PRICE["S3 thousand PUT"] + GETS * PRICE["S3 thousand GET"]) / 1000,
        ),
        Line(
            "Lambda",
            f"{sets:,} sets x ({seconds:g} GB s, 2 calls)",
            sets * (seconds * PRICE["Lambda GB second"] + 2 * PRICE["Lambda million"] / 1e6),
        ),
        Line("SQS", f"{polls:.1f} million polls x {PRICE['SQS million']}", polls * PRICE["SQS million"]),
        Line(
            "Secrets Manager",
            f"{SECRETS} x {PRICE['secret']} + {sets * LOOKUPS:,} look-ups",
            SECRETS * PRICE["secret"] + sets * LOOKUPS / 10_000 * PRICE["secrets 10 thousand"],
        ),
        Line(
            "CloudWatch",
            f"{ALARMS} alarms, 1 metric, {sets * LOG_BYTES / GB:.1f} GB of logs",
            ALARMS * PRICE["alarm"] + PRICE["metric"] + sets * LOG_BYTES / GB * PRICE["log GB"],
        ),
    ]


def mwaa() -> Line:
    """What MWAA costs in place of the EC2 instance."""
    return Line(
        "MWAA mw1.small with one worker, and a NAT gateway with its address, in place of EC2",
        f"{HOURS} h x ({PRICE['mw1.small hour']} + {PRICE['NAT hour']} + {PRICE['IPv4 hour']})",
        HOURS * (PRICE["mw1.small hour"] + PRICE["NAT hour"] + PRICE["IPv4 hour"]),
    )


def tables() -> str:
    """The tables of docs/costs.md as Markdown."""
    few, many = bill(10), bill(1000)
    lines = ["| a month, after a year | 10 markets a day | $ | 1,000 markets a day | $ |", "|---|---|---:|---|---:|"]
    lines += [
        f"| {one.part} | {one.reckoned} | {one.dollars:,.2f} | {other.reckoned} | {other.dollars:,.2f} |"
        for one, other in zip(few, many, strict=True)
    ]
    sums = [sum(line.dollars for line in each) for each in (few, many)]
    lines += [f"| **together** | | **{sums[0]:,.0f}** | | **{sums[1]:,.0f}** |"]
    other = mwaa()
    lines += [f"| {other.part} | {other.reckoned} | {other.dollars:,.2f} | the same | {other.dollars:,.2f} |"]
    requests = [f"{markets * PAGES * DAYS:,}" for markets in (10, 1000)]
    lines += [f"| Requests to the API | {PAGES} pages x {DAYS} days | {requests[0]} | | {requests[1]} |"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(tables() + "\n")
