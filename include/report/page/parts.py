"""What all reports have alike: Vega's JavaScript and each kind of chart. It takes seconds to make, so it is made once.

A process that others are forked from has another one make it, as the bundler leaves threads behind.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import vl_convert

from include.report.page.browser_data import safe_json

ROOT = Path(__file__).resolve().parents[3]
# Seconds; two or three are usual. No task is started meanwhile.
PATIENCE = 60.0


@dataclass(frozen=True)
class Parts:
    """Texts that may stand in a script element: `library` is JavaScript, `charts` JSON of Vega-Lite by kind."""

    library: str
    charts: str


_made: Parts | None = None


def parts() -> Parts:
    """The parts, made if this process and those it was forked from have not made them yet."""
    global _made
    if _made is None:
        _made = _make()
    return _made


@contextmanager
def made_ahead() -> Iterator[None]:
    """Has another process make the parts beside the block; in the end this one, and its forks, have them.

    Raises OSError, ValueError, TypeError or subprocess.TimeoutExpired when they do not come; the other process says why
    on stderr, and is ended.
    """
    global _made
    command = [sys.executable, "-m", "include.report.page.parts"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as maker:
        try:
            yield
            told, _ = maker.communicate(timeout=PATIENCE)
        finally:
            maker.kill()
    _made = Parts(**json.loads(told))


def _make() -> Parts:
    # Altair takes a third of a second to import, and is for nothing else.
    from include.report.page.charts import specifications

    library = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    library = library.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return Parts(library, safe_json(specifications()))


if __name__ == "__main__":
    json.dump(asdict(_make()), sys.stdout)
