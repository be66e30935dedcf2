"""The market report in a real browser: opened from disk, in a sandboxed frame, by mouse, keyboard and axe-core."""

from __future__ import annotations

import html as markup
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from include.report.html import render
from include.report.model import Report
from tests.support import sample_report as sample
from tools.pictures import QUIET

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
SHAPES = "path, line, rect, circle"
REPORTS: dict[str, Callable[[], Report]] = {
    "realistic": sample.realistic_report,
    "odd": sample.odd_report,
    "long": lambda: sample.report(sample.market("houston-tx", 820, 90)),
    "without markets": sample.report,
}
AXE: dict[str, Callable[[], Report]] = {
    "small": lambda: sample.report(
        sample.market("austin-tx", 60),
        sample.with_jump(sample.market("houston-tx", 80, claimed=1300), "Another part of the market was seen."),
    ),
    "odd": sample.odd_report,
    "without markets": sample.report,
}


class Opened:
    """A report in a page, and what the browser had to say: messages of its console, errors, requests."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page, self.path = page, path
        self.console: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def go(self) -> Opened:
        """Opens the file and waits until its first market is drawn."""
        self.page.goto(self.path.as_uri())
        self.wait()
        return self

    def wait(self) -> None:
        """Waits until each chart of an open market is drawn."""
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('details[open] .chart')].every(e => e.querySelector('svg, .empty'))"
        )

    def open_all(self) -> None:
        """Opens every market."""
        self.page.evaluate("document.querySelectorAll('details.market').forEach(market => { market.open = true; })")
        self.page.wait_for_function("() => [...document.querySelectorAll('.chart')].every(e => e.querySelector('svg'))")

    def column(self, table: str, place: int) -> list[str]:
        """The texts of one column of the first such table, from top to bottom."""
        return self.page.locator(table).first.locator(f"tbody tr > :nth-child({place})").all_inner_texts()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each report as a file on disk."""
    folder = tmp_path_factory.mktemp("reports")
    made = {**REPORTS, **AXE}
    paths = {name: folder / f"{name}.html" for name in made}
    for name, path in paths.items():
        path.write_text(render(made[name](), generated_at=sample.GENERATED_AT), encoding="utf-8")
    return paths


@pytest.fixture
def opened(browser: Browser, files: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    """Opens a report by its name."""
    pages = []

    def start(name: str = "realistic", width: int = 1440, **settings: object) -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 900}, **settings)  # type: ignore[arg-type]
        pages.append(page)
        return Opened(page, files[name]).go()

    yield start
    for page in pages:
        page.close()


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_opens_offline_and_asks_for_nothing(opened: Callable[..., Opened], name: str) -> None:
    """From disk, every market open: the file itself is the only request, and the console stays empty."""
    report = opened(name)
    report.open_all()
    assert [report.path.as_uri()] == report.requests
    assert [] == report.console


def test_a_market_is_drawn_when_it_is_first_opened(opened: Callable[..., Opened]) -> None:
    """The first market is drawn at once; the second has no chart and no row until it is opened."""
    report = opened()
    first, second = (report.page.locator("details.market").nth(place) for place in (0, 1))
    assert 5 == first.locator(".chart svg").count()
    assert 812 // 24 == first.locator("table[data-table=price_cuts] tbody tr").count()
    assert 0 == second.locator("svg, tbody tr").count()
    second.locator("summary").click()
    report.wait()
    assert 5 == second.locator(".chart svg").count()


def test_charts_show_what_the_data_holds(opened: Callable[..., Opened]) -> None:
    """A point per day, a bar per filled bin that has width, a point per place, and a line at the jump."""
    report = opened()
    report.open_all()
    houston = report.page.locator("details.market").nth(1)
    data = sample.realistic_report()["markets"][1]
    assert 14 == houston.locator("[data-chart=active_trend] .mark-symbol.role-mark path").count()
    assert 1 == houston.locator("[data-chart=price_trend] line[stroke='var(--warn)']").count()
    assert "+33 %" in str(houston.locator("[data-chart=price_trend]").text_content())
    places = sum(value is not None for value in data["listings"]["latitude"])
    assert places == houston.locator("[data-chart=map] .mark-symbol.role-mark path").count()
    widths = houston.locator("[data-chart=price_histogram] .mark-rect.role-mark path").evaluate_all(
        "bars => bars.map(bar => bar.getBBox().width)"
    )
    assert 10 < len(widths)
    assert 4 < min(widths)


def test_a_degree_is_as_long_in_both_directions(opened: Callable[..., Opened]) -> None:
    """On the map a degree of longitude is cos(latitude) as wide as one of latitude is high."""
    report = opened()
    steps = report.page.evaluate(
        """() => {
          const market = document.querySelector('details.market');
          const data = JSON.parse(market.querySelector('script.data').textContent);
          const list = data.listings, grey = list.grey;
          const places = list.drawn.map((_, i) => i).filter((i) => list.drawn[i] && !grey[i]);
          const group = market.querySelectorAll('[data-chart=map] .mark-symbol.role-mark')[1];
          const at = [...group.children].map((e) => e.transform.baseVal[0].matrix);
          const [a, b] = [places.indexOf(places.reduce((m, i) => list.latitude[i] < list.latitude[m] ? i : m)),
                          places.indexOf(places.reduce((m, i) => list.longitude[i] > list.longitude[m] ? i : m))];
          const per = (k, axis) => (at[a][axis] - at[b][axis]) / (list[k][places[a]] - list[k][places[b]]);
          return [per('longitude', 'e'), -per('latitude', 'f')];
        }"""
    )
    across, up = steps
    assert up * math.cos(math.radians(30.27)) == pytest.approx(across, rel=0.005)


def test_the_mouse_sorts_a_table(opened: Callable[..., Opened]) -> None:
    """The first press sorts numbers from the largest, the second from the smallest, and aria-sort tells which."""
    report = opened()
    after = report.page.locator("table[data-table=price_cuts] th", has_text="After").first
    before = report.column("table[data-table=price_cuts]", 3)
    amounts = sorted(int(text.strip("$").replace(",", "")) for text in before)
    for order, wanted in (("descending", amounts[::-1]), ("ascending", amounts)):
        after.get_by_role("button").click()
        assert order == after.get_attribute("aria-sort")
        assert [f"${amount:,}" for amount in wanted] == report.column("table[data-table=price_cuts]", 3)
    assert 1 == report.page.locator("table[data-table=price_cuts] [aria-sort]").count()


def test_the_keyboard_sorts_a_table(opened: Callable[..., Opened]) -> None:
    """A head is reached with Tab and pressed with Enter and Space; what is not known stays at the end."""
    report = opened()
    report.page.locator("#markets th button").nth(2).focus()
    report.page.keyboard.press("Tab")
    report.page.keyboard.press("Enter")
    assert "descending" == report.page.locator("#markets th", has_text="Median price").get_attribute("aria-sort")
    names = [text.split()[0] for text in report.column("#markets", 1)]
    assert ["austin,", "houston,", "marfa,"] == names
    report.page.keyboard.press("Space")
    names = [text.split()[0] for text in report.column("#markets", 1)]
    assert ["houston,", "austin,", "marfa,"] == names


def test_the_overview_leads_to_a_market(opened: Callable[..., Opened]) -> None:
    """A link of the overview opens the market, brings it into view and puts the focus there."""
    report = opened()
    report.page.locator("#markets a", has_text="houston").click()
    report.wait()
    summary = report.page.locator("details.market").nth(1).locator("summary")
    assert summary.evaluate("element => element === document.activeElement")
    assert 0 <= summary.evaluate("element => element.getBoundingClientRect().top") < 450


def test_a_market_is_found_by_its_name(opened: Callable[..., Opened]) -> None:
    """The field leaves the markets whose name holds the text, in the overview and below it."""
    report = opened("odd")
    report.page.locator("#finder").fill("AUSTIN")
    assert 2 == report.page.locator("#markets tbody tr:visible").count()
    assert 2 == report.page.locator("details.market:visible").count()
    assert "2 of 10 markets" == report.page.locator("#found").inner_text()
    report.page.locator("#finder").fill("stale, tx")
    assert ["Stale, TX"] == report.page.locator("details.market:visible h2").all_inner_texts()


def test_no_text_of_a_market_runs(opened: Callable[..., Opened]) -> None:
    """Hostile names, reasons, explanations and addresses stand there as text, in charts' tooltips too."""
    report = opened("odd")
    dialogs: list[str] = []
    report.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    report.open_all()
    assert "<script>alert('x')</script>" in report.page.locator("details.market h2").first.inner_text()
    assert "</script><img src=x onerror=alert(1)>" in report.column("table[data-table=price_cuts]", 1)
    assert 0 == report.page.locator("img").count()
    assert [] == dialogs


def test_a_point_tells_what_it_is(opened: Callable[..., Opened]) -> None:
    """The pointer on a day of the trend shows the date, the median and how much was seen."""
    report = opened()
    report.page.locator("[data-chart=price_trend] .mark-symbol.role-mark path").last.hover()
    tooltip = report.page.locator("#vg-tooltip-element")
    tooltip.wait_for()
    text = tooltip.inner_text()
    assert "Nov 22, 2026" in text
    assert "$595,300" in text
    assert "all listings" in text


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", REPORTS)
def test_the_page_never_scrolls_sideways(opened: Callable[..., Opened], name: str, width: int) -> None:
    """Whatever the market is called, only tables are wider than the screen, in a box of their own."""
    report = opened(name, width)
    report.open_all()
    assert width == report.page.evaluate("document.documentElement.scrollWidth")
    outside = report.page.locator(".chart svg").evaluate_all(
        "all => all.filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert 0 == outside


@pytest.mark.parametrize(("name", "scheme"), [*((name, "light") for name in AXE), ("small", "dark")])
def test_axe_finds_nothing(opened: Callable[..., Opened], name: str, scheme: str) -> None:
    """With every market open, in light and dark, axe-core reports no violation."""
    report = opened(name, color_scheme=scheme)
    report.open_all()
    found = Axe().run(report.page)
    assert [] == [(violation["id"], [node["html"] for node in violation["nodes"]][:3])
                  for violation in found.response["violations"]]  # fmt: skip


def test_it_works_in_a_sandboxed_frame(browser: Browser, files: dict[str, Path], tmp_path: Path) -> None:
    """Without an origin of its own and under a strict policy it is drawn, and its parent learns its height."""
    content = files["realistic"].read_text(encoding="utf-8")
    content = content.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<!DOCTYPE html><title>outer</title><script>heights = []; addEventListener('message', (event) => {"
        "if ('listingsReportHeight' in event.data) heights.push(event.data.listingsReportHeight); });</script>"
        f'<iframe sandbox="allow-scripts allow-popups" style="width:1200px;height:600px" '
        f'srcdoc="{markup.escape(content)}"></iframe>',
        encoding="utf-8",
    )
    page = browser.new_page()
    opened = Opened(page, outer)
    page.goto(outer.as_uri())
    inside = page.frame_locator("iframe")
    inside.locator("details[open] .chart svg").nth(4).wait_for()
    assert [] == opened.console
    page.wait_for_function("() => heights.length && heights.at(-1) > 3000")
    before = page.evaluate("heights.at(-1)")
    inside.locator("#markets a", has_text="houston").click()
    inside.locator("details.market").nth(1).locator(".chart svg").nth(4).wait_for()
    page.wait_for_function("before => heights.at(-1) > before + 1000", arg=before)
    assert {"outer.html", "srcdoc"} >= {request.rsplit("/", 1)[-1].split(":")[-1] for request in opened.requests}
    page.close()


def test_a_hundred_markets_are_usable_within_seconds(browser: Browser, tmp_path: Path) -> None:
    """A report of 100 markets is drawn, and a market in its middle opened, in less than 10 seconds together."""
    path = tmp_path / "big.html"
    path.write_text(render(sample.big_report(), generated_at=sample.GENERATED_AT), encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(10_000)
    report = Opened(page, path).go()
    page.locator("#markets a", has_text="market 57 tx").click()
    report.wait()
    assert 10 == page.locator(".chart svg").count()
    assert page.evaluate("performance.now()") < 10_000
    page.close()
