"""Reads the report of one date from the marts: see docs/marts.md for each figure, `report_model` for the shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import date as Date
from datetime import datetime, time, timedelta
from typing import Any

from include.report.model import (
    Bargain,
    Coverage,
    Day,
    Funnel,
    Jump,
    Listings,
    Market,
    Measure,
    NewListing,
    PriceCut,
    Report,
    Zip,
)
from include.warehouse.sql_files import REPORT_FILES, Connection, query, render, run

DAYS = 90
"""Calendar days up to its date that a report looks back on; a market that was not observed in them is not in it."""
BARGAINS = 20

_Key = tuple[str, str]
_Row = dict[str, Any]
_Rows = dict[_Key, list[_Row]]


def read(connection: Connection, date: str) -> Report:
    """The report of a date, YYYY-MM-DD: each market as its newest observed day up to then has it.

    Reads in one transaction, so that what a load commits meanwhile does not mix in. Markets in the order of source and
    slug; without any data an empty report.
    """
    last = Date.fromisoformat(date)
    connection.rollback()
    try:
        with closing(connection.cursor()) as cursor:
            span, newest_days, *queries = REPORT_FILES
            run(cursor, render(span))
            cursor.execute("insert into report_span values (%s, %s)", (last - timedelta(days=DAYS), last))
            run(cursor, render(newest_days))
            days, jumps, *newest = (_by_market(query(cursor, _sql(name))) for name in queries)
            [number] = query(cursor, "select coalesce(max(build_number), 0) as build_number from marts.builds")
    finally:
        connection.rollback()  # which takes the temporary tables away too
    markets = [_market(key, days[key], jumps[key], *(rows[key] for rows in newest)) for key in sorted(days)]
    return Report(date=date, build_number=int(number["build_number"]), markets=markets)


def _sql(name: str) -> str:
    return render(name).strip().removesuffix(";")


def _by_market(rows: Iterable[_Row]) -> _Rows:
    found: _Rows = defaultdict(list)
    for row in rows:
        found[row["source"], row["market"]].append(row)
    return found


def _market(
    key: _Key,
    days: list[_Row],
    jumps: list[_Row],
    listings: list[_Row],
    cuts: list[_Row],
    rejected_before: list[_Row],
    zips: list[_Row],
    reasons: list[_Row],
) -> Market:
    newest = days[-1]
    return Market(
        source=key[0],
        market=key[1],
        name=newest["market_name"],
        days=[_day(row) for row in days],
        jumps=[_jump(row) for row in jumps],
        listings=_listings(listings),
        price_cuts=_price_cuts(listings, cuts, newest["snapshot_date"]),
        new_listings=_new_listings(listings, newest, {row["zpid"] for row in rejected_before}),
        bargains=_bargains(listings),
        zips=[_zip(row) for row in zips],
        funnel=_funnel(newest, reasons),
    )


def _day(row: Mapping[str, Any]) -> Day:
    return Day(
        date=row["snapshot_date"].isoformat(),
        previous_date=_text(row["previous_date"]),
        active=int(row["active"]),
        measured=int(row["measured"]),
        excluded_price_zero=int(row["excluded_price_zero"]),
        excluded_rent_like=int(row["excluded_rent_like"]),
        excluded_plot=int(row["excluded_plot"]),
        price=_measure(row, "price"),
        price_sqft=_measure(row, "price_sqft"),
        rent_yield=_measure(row, "rent_yield"),
        days_on_market=_measure(row, "days_on_market"),
        zestimate_gap=_measure(row, "zestimate_gap"),
        price_cut_share=_number(row["price_cut_share"]),
        under_zestimate=int(row["under_zestimate"]),
        over_zestimate=int(row["over_zestimate"]),
        first_seen=int(row["first_seen"]),
        last_seen=int(row["last_seen"]),
        new=_count(row["new_listings"]),
        gone=_count(row["gone_listings"]),
        back=_count(row["back_listings"]),
        coverage=Coverage(
            seen=int(row["listings_seen"]),
            not_listings=int(row["not_listings"]),
            claimed=_count(row["listings_claimed"]),
            share=_number(row["coverage_share"]),
            is_complete=bool(row["is_complete"]),
            pages_read=_count(row["pages_read"]),
            pages_claimed=_count(row["pages_claimed"]),
        ),
    )


def _measure(row: Mapping[str, Any], name: str) -> Measure:
    return Measure(
        count=int(row[f"{name}_count"]),
        p25=_number(row[f"{name}_p25"]),
        median=_number(row[f"{name}_median"]),
        p75=_number(row[f"{name}_p75"]),
    )


def _jump(row: Mapping[str, Any]) -> Jump:
    return Jump(
        date=row["snapshot_date"].isoformat(),
        previous_date=row["previous_date"].isoformat(),
        measure=row["measure"],
        before=float(row["value_before"]),
        after=float(row["value_after"]),
        change_share=float(row["change_share"]),
        explanation=row["explanation"],
    )


def _listings(rows: list[_Row]) -> Listings:
    return Listings(
        zpid=[int(row["zpid"]) for row in rows],
        latitude=[_number(row["latitude"]) for row in rows],
        longitude=[_number(row["longitude"]) for row in rows],
        price=[float(row["price"]) for row in rows],
        price_sqft=[_number(row["price_sqft"]) for row in rows],
        home_type=[row["home_type"] for row in rows],
        odd=[row["odd"] for row in rows],
    )


def _price_cuts(listings: list[_Row], cuts: list[_Row], day: Date) -> list[PriceCut]:
    """Cuts seen on the day; of those that the API states only the ones of the day before or later."""
    since = datetime.combine(day, time()) - timedelta(days=1)
    shown = {row["zpid"]: row for row in listings}
    found = [
        PriceCut(
            zpid=int(cut["zpid"]),
            address=shown[cut["zpid"]]["street_address"],
            city=shown[cut["zpid"]]["city"],
            zipcode=shown[cut["zpid"]]["zipcode"],
            home_type=shown[cut["zpid"]]["home_type"],
            before=float(cut["price_before"]),
            after=float(cut["price_after"]),
            percent=float(cut["cut_percent"]),
            changed_at=_moment(cut["changed_at"]),
            known_by=cut["known_by"],
        )
        for cut in cuts
        if cut["known_by"] == "observed" or (cut["changed_at"] and cut["changed_at"] >= since)
    ]
    return sorted(found, key=lambda cut: (-cut["percent"], cut["zpid"]))


def _new_listings(listings: list[_Row], newest: _Row, rejected_before: set[str]) -> list[NewListing]:
    found = []
    for row in listings:
        if why := _why_new(row, newest, rejected_before):
            found.append(
                NewListing(
                    zpid=int(row["zpid"]),
                    address=row["street_address"],
                    city=row["city"],
                    zipcode=row["zipcode"],
                    home_type=row["home_type"],
                    bedrooms=_number(row["bedrooms"]),
                    bathrooms=_number(row["bathrooms"]),
                    living_area_sqft=_number(row["living_area_sqft"]),
                    price=float(row["price"]),
                    price_sqft=_number(row["price_sqft"]),
                    listed_at=_moment(row["listed_at"]),
                    why=why,
                )
            )
    return sorted(found, key=lambda each: (-each["price"], each["zpid"]))


def _why_new(row: _Row, newest: _Row, rejected_before: set[str]) -> str | None:
    """Why a listing counts as one that appeared, or None."""
    day = newest["snapshot_date"]
    if newest["new_listings"] is not None:
        if row["was_listed_before"] or str(row["zpid"]) in rejected_before:
            return None
        return "new" if row["first_seen_on"] == day else "back"
    if newest["previous_date"]:
        return "first_seen" if row["first_seen_on"] == day else None
    listed = row["listed_at"]
    return "listed" if listed and listed >= datetime.combine(day, time()) - timedelta(days=1) else None


def _bargains(listings: list[_Row]) -> list[Bargain]:
    below = [
        row for row in listings if row["gap_percent"] is not None and row["odd"] is None and row["gap_percent"] < 0
    ]
    return [
        Bargain(
            zpid=int(row["zpid"]),
            address=row["street_address"],
            city=row["city"],
            zipcode=row["zipcode"],
            home_type=row["home_type"],
            price=float(row["price"]),
            zestimate=float(row["zestimate"]),
            percent=float(row["gap_percent"]),
        )
        for row in sorted(below, key=lambda row: (row["gap_percent"], row["zpid"]))[:BARGAINS]
    ]


def _zip(row: _Row) -> Zip:
    return Zip(
        zipcode=row["zipcode"],
        active=int(row["active"]),
        measured=int(row["measured"]),
        price=_measure(row, "price"),
        price_sqft=_measure(row, "price_sqft"),
        rent_yield=_measure(row, "rent_yield"),
        price_cut_share=_number(row["price_cut_share"]),
    )


def _funnel(newest: _Row, reasons: list[_Row]) -> Funnel:
    return Funnel(
        on_pages=int(newest["on_pages"]),
        clean=int(newest["clean"]),
        rejected=int(newest["rejected"]),
        duplicates=int(newest["duplicates"]),
        not_listings=int(newest["not_listings"]),
        unreadable=int(newest["unreadable"]),
        loaded=int(newest["loaded"]),
        reasons={row["reason"]: int(row["rejects"]) for row in reasons},
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else f"{value.isoformat()}Z"
