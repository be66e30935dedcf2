"""The market report as text: what it says, what it never says, and that no text of a market escapes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from include.report import html as renderer
from include.report.model import Report
from include.report.page import parts as report_parts
from include.report.page import words
from include.report.page.browser_data import histogram_limit, located, packed, safe_json, ticks
from include.report.page.charts import specifications
from include.report.page.parts import parts
from tests.support import sample_report as sample

HOSTILE = "\"'`</script><script>alert(1)</script><!-- & \u2028 {{ 7 * 7 }}"


class Page(HTMLParser):
    """The elements of a page, and its text without scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text.replace(words.GAP, " "))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = [tag]
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = []

    def handle_data(self, data: str) -> None:
        if self._inside == ["script"]:
            self.scripts[-1] += data
        elif self._inside != ["style"]:
            self.text += data

    def market_data(self) -> list[Any]:
        """The JSON of each market."""
        kinds = [attributes for tag, attributes in self.elements if tag == "script"]
        return [json.loads(text) for text, kind in zip(self.scripts, kinds, strict=True) if kind.get("class") == "data"]


def render(report: Report) -> str:
    """The report as HTML, at a fixed moment."""
    return renderer.render(report, generated_at=sample.GENERATED_AT)


def page(*markets: Any, date: str = sample.DATE) -> Page:
    """The parsed page of a report of these markets."""
    return Page(render(sample.report(*markets, date=date)))


def test_nothing_in_the_page_could_be_fetched() -> None:
    """Outside Vega's own text there is no address of another host, no link to a file, and the policy forbids both."""
    html = render(sample.odd_report()).replace(parts().library, "")
    assert [] == re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]+", html)
    parsed = Page(html)
    links = [
        value for _, attributes in parsed.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert {"#", "d"} == {str(link)[0] for link in links}, "fragments and data: only"
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_the_charts_name_no_address() -> None:
    """No specification has a schema, a data address or anything else that a browser would look up."""
    assert "http" not in json.dumps(specifications())


def test_each_kind_of_chart_stands_in_the_page_once() -> None:
    """A report of many markets holds each specification once, and the data of each market once."""
    html = render(sample.report(*(sample.market(f"place-{index}", 5, 2) for index in range(12))))
    assert 1 == html.count('"price_histogram":')
    assert 12 == len(Page(html).market_data())


def test_what_all_reports_have_is_made_once_per_process() -> None:
    """Two reports hold the very same text of Vega."""
    assert parts() is parts()
    assert "window.vegaEmbed" in parts().library


def test_what_is_made_ahead_is_what_a_report_would_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process makes it beside the block; this one has it then, and makes nothing."""
    by_itself = parts()
    monkeypatch.setattr(report_parts, "_made", None)
    monkeypatch.setattr(report_parts, "_make", lambda: pytest.fail("it makes its own"))
    with report_parts.made_ahead():
        pass
    assert by_itself == parts()


def test_what_could_not_be_made_ahead_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A maker that dies is told by a ValueError, and what there was stays."""
    before = parts()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ValueError, match="Expecting value"), report_parts.made_ahead():
        pass
    assert before == parts()


def test_a_maker_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody waits for it longer than the patience, nor at all when the block beside it fails."""
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nexec sleep 600\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    monkeypatch.setattr(report_parts, "PATIENCE", 0.2)
    with pytest.raises(subprocess.TimeoutExpired), report_parts.made_ahead():
        pass
    with pytest.raises(KeyError), report_parts.made_ahead():
        raise KeyError


@pytest.mark.parametrize("place", ["name", "source", "market"])
def test_no_text_of_a_market_becomes_markup(place: str) -> None:
    """A hostile name, source or slug is shown as text: the page has the same elements as with a plain one."""
    plain, hostile = sample.market("houston-tx", 20, 2), sample.market("houston-tx", 20, 2)
    plain[place], hostile[place] = "plain", HOSTILE  # type: ignore[literal-required]
    tags = [[tag for tag, _ in page(market).elements] for market in (plain, hostile)]
    assert tags[0] == tags[1]
    assert "49" not in re.findall(r"\{\{.*?\}\}|49", page(hostile).text)


def test_no_reason_explanation_or_address_becomes_markup() -> None:
    """Hostile reasons, explanations and addresses are text, and the data arrives as it was."""
    market = sample.with_jump(sample.market("houston-tx", 48, 3), HOSTILE)
    market["funnel"] = sample.funnel(48, {HOSTILE: 2})
    market["price_cuts"][0]["address"] = HOSTILE
    parsed = page(market)
    plain = page(sample.with_jump(sample.market("houston-tx", 48, 3), "why"))
    assert [tag for tag, _ in plain.elements] == [tag for tag, _ in parsed.elements]
    assert HOSTILE == parsed.market_data()[0]["price_cuts"]["address"][0]
    assert 2 == parsed.text.count("alert(1)"), "the reason and the explanation, as text"


def test_json_for_a_script_ends_no_script() -> None:
    """No character that HTML or JavaScript treats on its own is left in the JSON, and it reads back the same."""
    text = safe_json({"a": HOSTILE})
    assert not set("<>&\u2028\u2029") & set(text)
    assert {"a": HOSTILE} == json.loads(text)


def test_a_number_that_json_lacks_is_not_known() -> None:
    """NaN and infinity reach the page as missing values."""
    market = sample.market("houston-tx", 3, 1)
    market["listings"]["price_sqft"] = [float("nan"), float("inf"), 210.0]
    market["days"][-1]["price"]["median"] = float("nan")
    parsed = page(market)
    assert [None, None, 210] == parsed.market_data()[0]["listings"]["price_sqft"]
    assert "nan" not in parsed.text.lower().split()


def test_every_section_of_a_market_is_there() -> None:
    """A market shows its figures, trends, spreads, map, tables and funnel, under headings in order."""
    parsed = page(sample.market("houston-tx", 60, 5))
    for title in ("Overview", "Over time", "How prices spread", "Map", "Price cuts", "New listings",
                  "Below their zestimate", "ZIP codes", "Day by day", "Through the pipeline"):  # fmt: skip
        assert title in parsed.text
    kinds = [attributes["data-chart"] for _, attributes in parsed.elements if "data-chart" in attributes]
    assert ["price_trend", "active_trend", "price_histogram", "price_sqft_histogram", "map"] == kinds
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch(r"h[1-6]", tag)]
    assert 1 == levels[0]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_chart_says_in_a_sentence_what_it_shows() -> None:
    """A chart is an image with a label that ends with its coverage."""
    parsed = page(sample.market("houston-tx", 820, 5, claimed=13_012))
    charts = [attributes for _, attributes in parsed.elements if "data-chart" in attributes]
    assert ["img"] * 5 == [chart["role"] for chart in charts]
    assert all(str(chart["aria-label"]).endswith(f"6{words.GAP}% of listings seen.") for chart in charts)


def test_an_incomplete_market_says_so_in_place_of_what_it_cannot_know() -> None:
    """New, gone and back are a phrase, the whole sentence stands on top, and coverage beside every figure."""
    parsed = page(sample.market("houston-tx", 820, 5, claimed=13_012))
    assert "820 of 13,012 listings seen (6 %): this cannot say what left the market." in parsed.text
    assert 1 + 3 == parsed.text.count("coverage incomplete"), "the overview, new, gone and back"
    assert 10 <= parsed.text.count("6 % of listings seen"), "once per figure at least"
    assert "None" not in parsed.text


def test_a_first_and_a_half_seen_previous_day_are_told_apart() -> None:
    """Why nothing is compared: no day before, or one that was not seen whole."""
    market = sample.market("houston-tx", 40, 2)
    newest, previous = market["days"][1], market["days"][0]
    assert "first observed day" == words.why_not_compared(previous, None)
    previous["coverage"] = sample.coverage(40, 90)
    assert f"coverage incomplete on Nov{words.GAP}21" == words.why_not_compared(newest, previous)


def test_an_old_market_says_of_which_day_it_is() -> None:
    """A market that was not observed on the report's date names the day that its figures are of."""
    parsed = page(sample.market("houston-tx", 40, 3, last="2026-11-20"))
    assert "Not observed on November 22, 2026: all figures are of November 20, 2026." in parsed.text
    assert "as of Nov 20" in parsed.text
    assert "Not observed" not in page(sample.market("houston-tx", 40, 3)).text


def test_what_is_kept_out_of_the_medians_is_counted() -> None:
    """The excluded counts stand below the medians, in words."""
    market = sample.market("houston-tx", 40, 1)
    market["days"][-1] |= {  # type: ignore[typeddict-item]
        "active": 40, "measured": 31,
        "excluded_price_zero": 1, "excluded_rent_like": 2, "excluded_plot": 6}  # fmt: skip
    wanted = "Medians are of the 31 measured of 40 active listings. Kept out: 1 without a price (price 0), 2 with a"
    assert f"{wanted} rent-like price, 6 plots of land." in page(market).text


def test_a_jump_is_told_in_words_and_marked_in_the_data() -> None:
    """Before, after, change and explanation of a jump are read out, and its day is in the trend's data."""
    market = sample.market("houston-tx", 40, 3)
    market["jumps"] = [{"date": "2026-11-22", "previous_date": "2026-11-21", "measure": "active", "before": 20.0,
                        "after": 40.0, "change_share": 1.0, "explanation": "Coverage doubled."}]  # fmt: skip
    parsed = page(market)
    assert "Active listings +100.0 % from November 21, 2026 to November 22, 2026: 20 → 40. Coverage d" in parsed.text
    assert {"date": ["2026-11-22"], "measure": ["active"], "change": [1]} == parsed.market_data()[0]["jumps"]


def test_a_report_without_markets_says_so() -> None:
    """No market: a sentence, and no library of charts."""
    html = render(sample.report())
    assert "This report has no market" in html
    assert len(html) < 40_000


def test_an_empty_market_draws_nothing_and_says_so() -> None:
    """Active 0: dashes for figures, sentences for pictures and tables."""
    parsed = page(sample.empty_market())
    for sentence in ("No day has a median price.", "No listing has a price.", "No listing has coordinates: no map.",
                     "No price cut was seen on this day.", "No listing, so no ZIP code."):  # fmt: skip
        assert sentence in parsed.text
    assert "not known" in parsed.text
    kinds = [attributes["data-chart"] for _, attributes in parsed.elements if "data-chart" in attributes]
    assert ["active_trend"] == kinds


def test_a_market_without_days_still_shows_its_funnel() -> None:
    """A market that was never observed says so and leaves out what it has no day for."""
    market = sample.market("houston-tx", 0, 1)
    market["days"] = []
    parsed = page(market)
    assert "No day of this market has been observed." in parsed.text
    assert "Through the pipeline" in parsed.text
    assert "Over time" not in parsed.text


def test_a_market_without_prices_has_a_map_in_grey() -> None:
    """All prices 0: the listings are on the map, without colours that would mean nothing."""
    parsed = page(sample.unpriced_market())
    kinds = [attributes["data-chart"] for _, attributes in parsed.elements if "data-chart" in attributes]
    assert ["active_trend", "grey_map"] == kinds
    assert (
        "5 listings are kept out: 5 without a price (price 0)." in parsed.text
        or "No listing has a price." in parsed.text
    )


def test_a_funnel_that_does_not_add_up_is_not_hidden() -> None:
    """A step that lost listings is told; one that adds up says nothing."""
    market = sample.market("houston-tx", 40, 1)
    assert "together" not in page(market).text
    market["funnel"]["loaded"] = 39
    market["funnel"]["rejected"] = 3
    text = page(market).text
    assert "39 of 40 clean listings are loaded." in text
    assert "The steps make 44 together, but 45 were on the pages." in text


def test_buildings_have_a_step_of_the_funnel() -> None:
    """They are rows of the pages that are neither clean nor lost, and the steps add up with them."""
    market = sample.market("houston-tx", 40, 1)
    market["funnel"]["on_pages"] += 3
    assert "but 48 were on the pages" in page(market).text
    market["funnel"]["not_listings"] = 3
    text = page(market).text
    assert "together" not in text
    assert re.search("Buildings 3 (.* )?and groups of units: no listings", text)


def test_anchors_are_plain_and_never_shared() -> None:
    """Markets whose names differ only in signs get sections of their own."""
    markets = [sample.market("houston-tx", 1, 1), sample.market("houston tx!", 1, 1), sample.market("שלום", 1, 1)]
    anchors = [str(attributes["id"]) for tag, attributes in page(*markets).elements if tag == "details"]
    assert ["market-zillow56-houston-tx", "market-zillow56-houston-tx-2", "market-zillow56"] == anchors


def test_only_the_first_market_is_open() -> None:
    """A browser draws one market at first, however many there are."""
    parsed = page(*(sample.market(f"place-{index}", 2, 1) for index in range(7)))
    is_open = ["open" in attributes for tag, attributes in parsed.elements if tag == "details"]
    assert [True] + [False] * 6 == is_open
    assert 1 == sum(attributes.get("id") == "finder" for _, attributes in parsed.elements)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("$412,500", words.money(412_500)),
        ("−$1,200", words.money(-1200.4)),
        ("$0", words.money(-0.2)),
        (None, words.money(None)),
        (None, words.money(float("nan"))),
        ("1,234", words.count(1234)),
        ("5.2 %", words.percent(5.21)),
        ("+5.2 %", words.percent(5.21, signed=True)),
        ("−3.0 %", words.share(-0.03)),
        ("0.0 %", words.percent(-0.04, signed=True)),
        ("6 %", words.rough_share(820 / 13_012)),
        ("99 %", words.rough_share(0.9999)),
        ("0.1 %", words.rough_share(0.0001)),
        ("101 %", words.rough_share(1.007)),
        ("November 2, 2026", words.day("2026-11-02")),
        ("someday", words.day("someday")),
        ("November 22, 2026, 06:12 UTC", words.moment("2026-11-22T07:12:03+01:00")),
        ("Single family", words.home_type("SINGLE_FAMILY")),
        ("1 page", words.counted(1, "page", "pages")),
    ],
)  # fmt: skip
def test_figures_are_written_as_people_write_them(expected: str | None, actual: str | None) -> None:
    """Dollars, counts, percents and dates have separators, signs and units, and what is not known stays so."""
    assert expected == (actual.replace(words.GAP, " ") if actual else actual)


def test_coverage_that_the_api_did_not_name_is_not_invented() -> None:
    """Without a claimed number there is no share."""
    covered = sample.coverage(60, None)
    assert f"60{words.GAP}listings seen; the API did not say how many exist" == words.seen(covered)
    assert "coverage not known" == words.seen_in_short(covered)


def test_buildings_are_named_where_the_api_counts_them() -> None:
    """Of 40 that it claims 37 listings and three buildings are all; without any, nothing is said of them."""
    covered = sample.coverage(37, 40) | {"not_listings": 3, "share": 1.0, "is_complete": True}
    said = [each(covered).replace(words.GAP, " ") for each in (words.coverage_sentence, words.seen_of_claimed)]
    assert [
        "37 and 3 buildings of 40 listings seen (100 %): the whole market.",
        "37 and 3 buildings of 40 (100 %)",
    ] == said
    assert "building" not in words.seen(sample.coverage(37, 40))


def test_a_few_very_dear_listings_do_not_flatten_the_histogram() -> None:
    """The histogram ends at the 98th percentile where the largest lies far above it, else at the largest."""
    assert 100 == histogram_limit([*range(1, 101)])
    assert 98.02 + 1 == pytest.approx(histogram_limit([*range(1, 100), 100, 10_000]), abs=1)
    assert histogram_limit([None, float("nan")]) is None


def test_a_listing_on_the_other_side_of_the_world_does_not_shrink_the_map() -> None:
    """Places far from nearly all others, off the globe or not known are not drawn."""
    rows = sample.market("houston-tx", 60, 1)["listings"]
    rows["latitude"][:4], rows["longitude"][:4] = [0.0, 91.0, None, float("nan")], [0.0, -95.0, None, -95.0]
    assert [False] * 4 == located(rows)[:4]
    assert 50 < sum(located(rows))


def test_repeated_texts_are_packed() -> None:
    """A column of few texts names each once; one of many different ones stays as it is."""
    assert {"of": ["a", None], "at": [0, 0, 1, 0]} == packed(["a", "a", None, "a"])
    assert ["a", "b"] == packed(["a", "b"])


def test_the_axis_of_a_trend_ends_with_the_newest_day() -> None:
    """At most six marks, evenly spread, the newest day among them; one day is marked as it is."""
    day = 86_400_000
    made = ticks(sample.dates(14))
    assert [3 * day] * 4 == [after - before for before, after in pairwise(made["ticks"])]
    assert made["last"] == made["ticks"][-1] == made["first"] + 13 * day
    assert 1 == len(ticks(["2026-11-22"])["ticks"])
    assert 6 >= len(ticks(sample.dates(90))["ticks"])


def test_the_renderer_needs_no_airflow() -> None:
    """Importing the renderer imports nothing of Airflow."""
    code = "import sys, include.report.html; print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == found.stdout.strip()
