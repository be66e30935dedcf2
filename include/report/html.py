"""The market report as one HTML file: it opens from disk, offline, and asks nothing of any network.

The file holds its styles, its script, Vega's JavaScript (from vl-convert), each kind of chart once as Vega-Lite, and
the data of each market as JSON. What is said in words is made here; charts and long tables are drawn by the browser
when a market is first opened. Neither needs a server, storage or the page around it, so that it also runs in a
sandboxed frame; there it posts its height to its parent as {listingsReportHeight: pixels}.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from include.report.model import Report
from include.report.page import words
from include.report.page.market_view import MarketView, anchors, market_view
from include.report.page.parts import parts
from include.report.page.tables import TABLES

FOLDER = Path(__file__).parent / "page"
FILTER_FROM = 6  # from so many markets on, a field finds them by name


def render(report: Report, *, generated_at: str) -> str:
    """The report as a whole HTML document; `generated_at` is a moment in ISO 8601."""
    return _template().render(
        date=words.day(report["date"]),
        generated_at=words.moment(generated_at),
        build_number=report["build_number"],
        markets=market_views(report),
        tables=TABLES,
        filter_from=FILTER_FROM,
        css=Markup(_text("report.css")),  # noqa: S704 - our own file
        script=Markup(_text("report.js")),  # noqa: S704 - our own file
        library=Markup(parts().library),  # noqa: S704 - no text in it ends the element
        charts=Markup(parts().charts),  # noqa: S704 - made safe
    )


def market_views(report: Report) -> list[MarketView]:
    """The report's markets as the template shows them."""
    names = Counter(market["name"] for market in report["markets"])
    return [
        market_view(market, anchor, report["date"], shared_name=names[market["name"]] > 1)
        for market, anchor in zip(report["markets"], anchors(report["markets"]), strict=True)
    ]


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.j2")
