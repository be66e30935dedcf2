"""Makes sure that a browser is there for the tests that look at pages, and that it can be driven.

Where something is missing and this is Debian and we are root, apt-get brings it. Elsewhere one sentence says what to
install; the tests that need it are then skipped, except in continuous integration (CI set), where that is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import debian

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The path of a Chromium on the PATH, or of the one that playwright has downloaded; None where there is none.

    Raises what playwright raises where its driver does not run: see `lacking`.
    """
    on_path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if on_path:
        return on_path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        downloaded = Path(playwright.chromium.executable_path)
    return str(downloaded) if downloaded.exists() else None


def lacking() -> list[str]:
    """The Debian packages that bring what a test with a browser lacks on this machine; none where it can run."""
    driver = subprocess.run([sys.executable, "-m", "playwright", "--version"], capture_output=True, check=False)
    if driver.returncode == 0:
        return [] if find_browser() else ["chromium"]
    # The driver is a node of playwright's own, and libatomic.so.1 the one library of it that Debian may not have.
    return ["libatomic1"] if any(map(shutil.which, NAMES)) else ["chromium", "libatomic1"]


def advice(packages: list[str]) -> str:
    """One sentence that says what is missing and how it comes."""
    return (
        f"browser: the tests of the UI lack {' and '.join(packages)}: sudo apt-get install {' '.join(packages)}"
        " (not Debian: .venv/test/bin/python -m playwright install --with-deps chromium)"
    )


def main() -> int:
    """Brings or names what is missing; the exit code is 1 only where skipping is not allowed."""
    packages = lacking()
    if packages and debian.may_install():
        print(f"browser: installing {' and '.join(packages)} with apt-get", flush=True)
        debian.install(packages)
        packages = lacking()
    if not packages:
        return 0
    print(advice(packages), file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
