"""Takes the README's pictures of a stack that is up, in headless Chromium: `make demo`, then `make pictures`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState, ViewportSize, sync_playwright

from local.commands.clients import aws_client
from local.stack import Stack, StackError
from tools.browser import find_browser

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
# Milliseconds: a page of Airflow may take long on a busy machine.
PATIENCE = 90_000
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


@dataclass(frozen=True)
class Login:
    """A headless browser that is logged in to a stack's Airflow; `state` is what it remembers of that."""

    browser: Browser
    state: StorageState

    @contextmanager
    def page(self, width: int = 1440, height: int = 620) -> Iterator[Page]:
        """An empty page that shares nothing but the login with another one."""
        size: ViewportSize = {"width": width, "height": height}
        with self.browser.new_context(viewport=size, locale="en-US", storage_state=self.state) as context:
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            yield page


@contextmanager
def logged_in(stack: Stack) -> Iterator[Login]:
    """A browser that is logged in to the stack's Airflow, as its one user."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=QUIET)
        try:
            with browser.new_context(locale="en-US") as context:
                page = context.new_page()
                page.set_default_timeout(PATIENCE)
                page.goto(f"{stack.ui_url}/auth/login/")
                page.get_by_label("Username").fill("admin")
                page.get_by_label("Password").fill(stack.home.secrets()["ui_password"])
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url(f"{stack.ui_url}/", wait_until="commit")
                state = context.storage_state()
            yield Login(browser, state)
        finally:
            browser.close()


def asset_id(stack: Stack, name: str) -> int:
    """The number by which Airflow's pages know an asset."""
    assets = stack.airflow().listed("/assets", "assets")
    return next(int(asset["id"]) for asset in assets if asset["name"] == name)


def take(stack: Stack, folder: Path) -> list[Path]:
    """Writes the pictures into `folder` and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with logged_in(stack) as login:
        with login.page() as page:
            page.goto(f"{stack.ui_url}/assets/{asset_id(stack, 'clean_listings')}")
            page.locator(".react-flow__node").first.wait_for()
            page.wait_for_timeout(2000)  # the graph moves into place
            page.screenshot(path=folder / "assets.png")
        with login.page(height=900) as page:
            page.goto(f"{stack.ui_url}/plugin/listings")
            page.frame_locator("iframe").get_by_role("table").first.wait_for()
            page.wait_for_timeout(1000)  # the frame takes its place
            page.screenshot(path=folder / "listings-page.png")
        with login.page(width=1280, height=1950) as page:
            # The report by itself, as it opens from a disk; its seen-whole market shows what came and went.
            page.goto(f"{stack.ui_url}/listings/report?date={newest_report(stack)}")
            page.get_by_role("link", name="galveston, tx").first.click()
            page.locator("details[open] svg").first.wait_for()
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / "report.png")
    return [folder / name for name in ("assets.png", "listings-page.png", "report.png")]


def newest_report(stack: Stack) -> str:
    """The date of the newest report."""
    record = aws_client(stack, "s3").get_object(Bucket=stack.env()["LISTINGS_CLEAN_BUCKET"], Key="reports/latest.json")
    return str(json.loads(record["Body"].read())["date"])


def main() -> int:
    """Takes all pictures; 2 when no stack is up."""
    try:
        for path in take(Stack(), FOLDER):
            print(path.relative_to(ROOT))
    except StackError as fault:
        print(f"{fault} (make demo gives the pictures something to show)", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
