"""The tables that the browser fills: their columns, in one place for the template's heads and the script's cells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """`key` names the data, `kind` how the browser writes it: text, id, money, count, decimal, share, percent, date."""

    key: str
    label: str
    kind: str
    missing: str = ""  # what stands in the place of a value that is not known, instead of a dash

    @property
    def is_number(self) -> bool:
        """Numbers stand on the right, and their largest come first."""
        return self.kind not in ("text", "id", "date")


@dataclass(frozen=True)
class Table:
    """A table of a market. `empty` is said where it has no row."""

    key: str
    title: str
    empty: str
    columns: tuple[Column, ...]


ADDRESS = Column("address", "Address", "text")
PLACE = (
    Column("zipcode", "ZIP", "text"),
    Column("city", "City", "text"),
    Column("home_type", "Type", "text"),
)
ZPID = Column("zpid", "zpid", "id")
NOT_COMPARED = "not compared"

TABLES = {
    table.key: table
    for table in (
        Table("price_cuts", "Price cuts", "No price cut was seen on this day.", (
            ADDRESS, Column("before", "Before", "money"), Column("after", "After", "money"),
            Column("percent", "Change", "percent"), *PLACE, Column("known_by", "Known by", "text"),
            Column("changed_at", "Changed", "date"), ZPID)),
        Table("new_listings", "New listings", "No listing is known to be new on this day.", (
            ADDRESS, Column("price", "Price", "money"), Column("why", "Why here", "text"),
            Column("price_sqft", "Per sq ft", "money"), Column("bedrooms", "Beds", "decimal"),
            Column("bathrooms", "Baths", "decimal"), Column("area", "Sq ft", "count"), *PLACE,
            Column("listed_at", "Listed", "date"), ZPID)),
        Table("bargains", "Below their zestimate", "No listing is priced below its zestimate.", (
            ADDRESS, Column("price", "Price", "money"), Column("zestimate", "Zestimate", "money"),
            Column("percent", "Difference", "percent"), *PLACE, ZPID)),
        Table("zips", "ZIP codes", "No listing, so no ZIP code.", (
            Column("zipcode", "ZIP", "text"), Column("active", "Active", "count"),
            Column("measured", "Measured", "count"), Column("median", "Median", "money"),
            Column("price_sqft", "Per sq ft", "money"), Column("rent_yield", "Yield", "share"),
            Column("price_cut_share", "Cut", "share"))),
        Table("days", "Day by day", "No observed day.", (
            Column("date", "Day", "date"), Column("active", "Active", "count"),
            Column("median", "Median price", "money"), Column("p25", "25th percentile", "money"),
            Column("p75", "75th percentile", "money"), Column("price_sqft", "Per sq ft", "money"),
            Column("new", "New", "count", NOT_COMPARED), Column("gone", "Gone", "count", NOT_COMPARED),
            Column("back", "Back", "count", NOT_COMPARED), Column("seen", "Seen", "count"),
            Column("claimed", "Claimed", "count"), Column("share", "Coverage", "share"))),
    )
}  # fmt: skip
