"""Makes sure that a Chromium is there for the tests that look at the Airflow UI.

Where none is and this is Debian and we are root, apt-get brings one. Elsewhere it says how to get one; the
tests that need it are then skipped, except in continuous integration (CI set), where that is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The path of a Chromium on the PATH, or of the one that playwright has downloaded."""
    on_path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if on_path:
        return on_path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        downloaded = Path(playwright.chromium.executable_path)
    return str(downloaded) if downloaded.exists() else None


def install_from_debian() -> None:
    """Installs Debian's chromium package; quiet, as the search afterwards tells whether it worked."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", "chromium"]
    print("browser: installing chromium with apt-get", flush=True)
    if subprocess.call(install, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        subprocess.call(["apt-get", "update", "-qq"], env=environment)
        subprocess.call(install, env=environment, stdout=subprocess.DEVNULL)


def main() -> int:
    """Finds or installs a browser; the exit code is 1 only where skipping is not allowed."""
    if find_browser():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get") and Path("/etc/debian_version").exists():
        install_from_debian()
        if find_browser():
            return 0
    print(
        "browser: no Chromium found; the tests of the UI need one.\n"
        "  Debian: sudo apt-get install chromium\n"
        "  Elsewhere: .venv/test/bin/python -m playwright install chromium",
        file=sys.stderr,
    )
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
