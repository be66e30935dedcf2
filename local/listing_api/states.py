"""The US states: code, rough centre, first two digits of their zip codes, time zone, price level.

Latitude and longitude are degrees; a market without an entry of its own lies near its state's centre.
The price level is a factor on the country's typical price, made up but in a sensible order.
"""

from typing import NamedTuple


class State(NamedTuple):
    """One state as the market simulation needs it."""

    code: str
    latitude: float
    longitude: float
    zip_prefix: str
    time_zone: str
    price_level: float


_EAST, _CENTRAL, _MOUNTAIN = "America/New_York", "America/Chicago", "America/Denver"
_ARIZONA, _PACIFIC = "America/Phoenix", "America/Los_Angeles"

_ROWS = (
    ("AL", 32.8, -86.8, "35", _CENTRAL, 0.7),
    ("AK", 61.2, -149.8, "99", "America/Anchorage", 0.9),
    ("AZ", 33.4, -111.9, "85", _ARIZONA, 1.0),
    ("AR", 34.8, -92.4, "72", _CENTRAL, 0.6),
    ("CA", 36.7, -119.7, "93", _PACIFIC, 1.9),
    ("CO", 39.1, -105.0, "80", _MOUNTAIN, 1.4),
    ("CT", 41.6, -72.7, "06", _EAST, 1.1),
    ("DC", 38.9, -77.0, "20", _EAST, 1.6),
    ("DE", 39.1, -75.5, "19", _EAST, 0.9),
    ("FL", 28.3, -81.6, "32", _EAST, 1.0),
    ("GA", 33.2, -83.6, "30", _EAST, 0.9),
    ("HI", 21.3, -157.8, "96", "Pacific/Honolulu", 2.0),
    ("ID", 43.6, -116.2, "83", _MOUNTAIN, 1.1),
    ("IL", 40.0, -89.3, "61", _CENTRAL, 0.8),
    ("IN", 39.9, -86.2, "46", _EAST, 0.7),
    ("IA", 41.9, -93.4, "50", _CENTRAL, 0.6),
    ("KS", 38.5, -97.3, "67", _CENTRAL, 0.6),
    ("KY", 37.8, -85.3, "40", _EAST, 0.6),
    ("LA", 30.6, -91.9, "70", _CENTRAL, 0.7),
    ("MA", 42.3, -71.8, "01", _EAST, 1.6),
    ("MD", 39.1, -76.8, "21", _EAST, 1.2),
    ("ME", 44.4, -69.8, "04", _EAST, 0.9),
    ("MI", 42.8, -84.6, "48", _EAST, 0.7),
    ("MN", 45.2, -93.9, "55", _CENTRAL, 0.9),
    ("MS", 32.5, -89.7, "39", _CENTRAL, 0.5),
    ("MO", 38.5, -92.5, "65", _CENTRAL, 0.7),
    ("MT", 46.7, -111.9, "59", _MOUNTAIN, 1.1),
    ("NC", 35.6, -79.4, "27", _EAST, 0.9),
    ("ND", 47.0, -98.8, "58", _CENTRAL, 0.7),
    ("NE", 41.2, -97.0, "68", _CENTRAL, 0.7),
    ("NH", 43.2, -71.5, "03", _EAST, 1.1),
    ("NJ", 40.2, -74.6, "07", _EAST, 1.3),
    ("NM", 35.0, -106.4, "87", _MOUNTAIN, 0.8),
    ("NV", 37.2, -115.9, "89", _PACIFIC, 1.2),
    ("NY", 42.4, -75.0, "13", _EAST, 1.1),
    ("OH", 40.2, -82.7, "44", _EAST, 0.6),
    ("OK", 35.5, -97.4, "73", _CENTRAL, 0.6),
    ("OR", 44.5, -122.2, "97", _PACIFIC, 1.3),
    ("PA", 40.6, -76.9, "17", _EAST, 0.8),
    ("PR", 18.3, -66.4, "00", "America/Puerto_Rico", 0.7),
    ("RI", 41.7, -71.5, "02", _EAST, 1.1),
    ("SC", 33.9, -80.9, "29", _EAST, 0.8),
    ("SD", 44.2, -99.5, "57", _CENTRAL, 0.7),
    ("TN", 35.8, -86.4, "37", _CENTRAL, 0.9),
    ("TX", 31.0, -97.6, "76", _CENTRAL, 0.85),
    ("UT", 40.1, -111.7, "84", _MOUNTAIN, 1.3),
    ("VA", 37.6, -78.1, "23", _EAST, 1.1),
    ("VT", 44.1, -72.7, "05", _EAST, 1.0),
    ("WA", 47.4, -121.5, "98", _PACIFIC, 1.5),
    ("WI", 44.3, -89.6, "53", _CENTRAL, 0.8),
    ("WV", 38.6, -80.6, "25", _EAST, 0.5),
    ("WY", 43.0, -107.3, "82", _MOUNTAIN, 0.9),
)

STATES: dict[str, State] = {row[0]: State(*row) for row in _ROWS}
