"""The report's charts, each kind specified once with Altair; the browser fills in the data of a market.

A specification names its data sets (`days`, `jumps`, `listings`) and its params, both of which the page sets per
market. Colours are the page's own CSS variables, so that light, dark and print need no second specification. Texts
of the tooltips are made in the specification, too: the page hands over plain numbers only.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MAP_COLOURS = [f"var(--map-{step})" for step in range(1, 7)]
DASH = "'–'"
WHOLE = "datum.value % 1 ? '' : format(datum.value, ',')"
DOLLARS = (
    "datum.value >= 1e6 ? format(datum.value / 1e6, '$,~f') + 'M' : "
    "datum.value >= 1e4 ? format(datum.value / 1e3, '$,~f') + 'k' : format(datum.value, '$,~f')"
)


def _text(field: str, pattern: str) -> str:
    """An expression that formats a number, or says that there is none."""
    return f"isValid(datum.{field}) ? format(datum.{field}, '{pattern}') : {DASH}"


def _date(field: str = "date") -> str:
    return f"utcFormat(toDate(datum.{field}), '%b %-d, %Y')"


def _config(chart: Any) -> dict[str, Any]:
    """The chart as Vega-Lite, in the page's colours and type, with nothing that a browser could want to fetch."""
    styled = chart.configure(
        background="transparent", font=FONT, aria=False, autosize=alt.AutoSizeParams(type="fit", contains="padding")
    )
    styled = styled.configure_view(stroke=None).configure_axis(
        labelColor="var(--muted)", labelFontSize=12, labelPadding=6, titleColor="var(--muted)", titleFontSize=12,
        titleFontWeight="normal", gridColor="var(--rule)", domainColor="var(--rule)", tickColor="var(--rule)",
        tickSize=4,
    )  # fmt: skip
    styled = styled.configure_legend(
        labelColor="var(--muted)", labelFontSize=12, labelOverlap=True, gradientLength=290, gradientThickness=10
    )
    made: dict[str, Any] = styled.to_dict()
    made.pop("$schema", None)
    return made


def _trend(median: str, pattern: str, axis: str, measure: str, *, band: bool) -> dict[str, Any]:
    """A line over the observed days; a hollow point is a day whose coverage is not complete."""
    days = alt.Chart(alt.NamedData("days")).transform_calculate(
        day=_date(), value=_text(median, pattern), low=_text("p25", pattern), high=_text("p75", pattern),
        seen="datum.complete ? 'all listings' : isValid(datum.share) ? format(100 * datum.share, '.0f') + ' %' : '–'",
    )  # fmt: skip
    x = alt.X(
        "date:T",
        title=None,
        scale=alt.Scale(type="utc", padding=14, domain=alt.ExprRef("[first, last]")),
        axis=alt.Axis(values=alt.ExprRef("ticks"), format="%b %-d", grid=False, labelOverlap=True),
    )
    y_axis = alt.Axis(labelExpr=axis, tickCount=5, domain=False, ticks=False)
    y_scale = alt.Scale(zero=False, nice=True, padding=8)
    y = alt.Y(f"{median}:Q", title=None, scale=y_scale, axis=y_axis)
    tips = [alt.Tooltip("day:N", title="Day"), alt.Tooltip("value:N", title="Median" if band else "Active")]
    if band:
        tips += [alt.Tooltip("low:N", title="25th percentile"), alt.Tooltip("high:N", title="75th percentile")]
    tips.append(alt.Tooltip("seen:N", title="Seen"))
    complete = alt.condition("datum.complete", alt.value("var(--accent)"), alt.value("var(--paper)"))
    layers: list[alt.Chart] = []
    if band:
        quarter = alt.Y("p25:Q", title=None, scale=y_scale, axis=y_axis)
        bar = alt.ExprRef("first == last ? 24 : 0")  # a band of one day has no area
        layers += [
            days.mark_area(color="var(--band)", interpolate="linear").encode(x=x, y=quarter, y2="p75:Q"),
            days.mark_rule(color="var(--band)", strokeWidth=bar).encode(x=x, y=quarter, y2="p75:Q"),
        ]
    jumps = alt.Chart(alt.NamedData("jumps")).transform_filter(f"datum.measure == '{measure}'")
    jumps = jumps.transform_calculate(day=_date(), label="format(100 * datum.change, '+,.0f') + ' %'")
    layers += [
        jumps.mark_rule(color="var(--warn)", strokeDash=[4, 3]).encode(x=x),
        days.mark_line(color="var(--accent)", strokeWidth=2.25, interpolate="linear").encode(x=x, y=y),
        days.mark_circle(opacity=1, stroke="var(--accent)", strokeWidth=1.5, size=alt.ExprRef("point_size"))
        .encode(x=x, y=y, fill=complete, tooltip=tips),
        jumps.mark_text(color="var(--warn)", fontSize=12, fontWeight=600, dx=5, dy=2, baseline="top", align="left")
        .encode(x=x, y=alt.value(0), text="label:N"),
    ]  # fmt: skip
    starts: dict[str, Any] = {"first": 0, "last": 0, "ticks": [], "point_size": 36}
    chart = alt.layer(*layers).add_params(*(alt.param(name=name, value=value) for name, value in starts.items()))
    return _config(chart.properties(width="container", height=240))


def _histogram(field: str) -> dict[str, Any]:
    """How the measured listings spread, with a line at the day's median."""
    median, limit = f"{field}_median", f"{field}_limit"
    bars = (
        alt.Chart(alt.NamedData("listings"))
        .transform_filter(f"!datum.odd && isValid(datum.{field}) && datum.{field} <= {limit}")
        .transform_bin(["from", "to"], field, bin=alt.Bin(maxbins=32))
        .transform_aggregate(number="count()", groupby=["from", "to"])
        .transform_calculate(
            range="format(datum.from, '$,.0f') + ' to ' + format(datum.to, '$,.0f')",
            listings="format(datum.number, ',')",
        )
        .mark_bar(color="var(--accent-soft)", stroke="var(--paper)", strokeWidth=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title=None,
                    axis=alt.Axis(labelExpr=DOLLARS, grid=False, labelOverlap=True)),
            x2="to:Q",
            y=alt.Y("number:Q", title=None,
                    axis=alt.Axis(labelExpr=WHOLE, tickCount=4, domain=False, ticks=False)),
            tooltip=[alt.Tooltip("range:N", title="Between"), alt.Tooltip("listings:N", title="Listings")],
        )
    )  # fmt: skip
    place = (
        alt.Chart(alt.InlineData(values=[{}]))
        .transform_calculate(at=median, label=f"'median ' + format({median}, '$,.0f')")
        .encode(x="at:Q")
    )
    layers = [
        bars,
        place.mark_rule(color="var(--ink)", strokeWidth=1.5, strokeDash=[2, 2]),
        place.mark_text(align="left", dx=6, dy=2, baseline="top", color="var(--ink)", fontSize=12, fontWeight=600)
        .encode(y=alt.value(0), text="label:N"),
    ]  # fmt: skip
    chart = alt.layer(*layers).add_params(alt.param(name=median, value=0), alt.param(name=limit, value=0))
    return _config(chart.properties(width="container", height=220))


def _map(*, coloured: bool) -> dict[str, Any]:
    """The listings by place, coloured where any has a price per square foot.

    A degree of longitude is drawn cosine(latitude) as wide as one of latitude.
    """
    per_pixel = "max(longitude_span * cosine / max(width - 24, 1), latitude_span / max(height - 24, 1))"
    lon = f"[longitude_mid - {per_pixel} * width / cosine / 2, longitude_mid + {per_pixel} * width / cosine / 2]"
    lat = f"[latitude_mid - {per_pixel} * height / 2, latitude_mid + {per_pixel} * height / 2]"
    points = alt.Chart(alt.NamedData("listings")).transform_filter("datum.drawn").transform_calculate(
        asked=_text("price", "$,.0f"), per_foot=_text("price_sqft", "$,.0f"),
        kind=f"datum.home_type || {DASH}", id="toString(datum.zpid)",
    )  # fmt: skip
    tips = [
        alt.Tooltip("asked:N", title="Price"),
        alt.Tooltip("per_foot:N", title="Per sq ft"),
        alt.Tooltip("kind:N", title="Type"),
        alt.Tooltip("id:N", title="zpid"),
    ]
    axis: dict[str, Any] = {"title": None, "tickCount": 4, "labelOverlap": True, "labelBound": True, "gridDash": [2, 3]}
    east = "format(abs(datum.value), '.2f') + '°' + (datum.value < 0 ? ' W' : ' E')"
    north = "format(abs(datum.value), '.2f') + '°' + (datum.value < 0 ? ' S' : ' N')"
    x = alt.X(
        "longitude:Q",
        scale=alt.Scale(domain=alt.ExprRef(lon), nice=False, zero=False),
        axis=alt.Axis(labelExpr=east, **axis),
    )
    y = alt.Y(
        "latitude:Q",
        scale=alt.Scale(domain=alt.ExprRef(lat), nice=False, zero=False),
        axis=alt.Axis(labelExpr=north, **axis),
    )
    shape: dict[str, Any] = {"size": alt.ExprRef("point_area"), "clip": True, "strokeWidth": 0.6, "stroke": "var(--paper)"}  # noqa: E501 # fmt: skip
    colour = alt.Color(
        "price_sqft:Q",
        scale=alt.Scale(type="quantize", domain=alt.ExprRef("[colour_low, colour_high]"), range=MAP_COLOURS),
        legend=alt.Legend(
            orient="top",
            direction="horizontal",
            format="$,.0f",
            title=None,
        ),
    )
    grey = points.transform_filter("datum.grey").mark_circle(fill="var(--map-none)", opacity=0.75, **shape)
    bright = points.transform_filter("!datum.grey").mark_circle(opacity=0.9, **shape)
    layers = [grey.encode(x=x, y=y, tooltip=tips)]
    if coloured:
        layers.append(bright.encode(x=x, y=y, fill=colour, tooltip=tips))
    names = [
        "longitude_mid", "latitude_mid", "longitude_span", "latitude_span", "cosine", "colour_low", "colour_high",
        "point_area",
    ]  # fmt: skip
    chart = alt.layer(*layers).add_params(*(alt.param(name=name, value=1) for name in names))
    return _config(chart.properties(width="container", height=440))


@cache
def specifications() -> dict[str, dict[str, Any]]:
    """Vega-Lite for each kind of chart; made once per process."""
    return {
        "price_trend": _trend("median", "$,.0f", DOLLARS, "price_median", band=True),
        "active_trend": _trend("active", ",.0f", WHOLE, "active", band=False),
        "price_histogram": _histogram("price"),
        "price_sqft_histogram": _histogram("price_sqft"),
        "map": _map(coloured=True),
        "grey_map": _map(coloured=False),
    }
