"""The command line: serves the API on loopback, or writes pages as files."""

import argparse
import json
import sys
from pathlib import Path

from local.listing_api.clock import Clock
from local.listing_api.families import FAMILIES
from local.listing_api.families.family import BadRequest
from local.listing_api.faults import Faults
from local.listing_api.gateway import Gateway, Pages
from local.listing_api.pages import SimulatedPages, write_pages
from local.listing_api.recordings import BadRecording, load_recordings
from local.listing_api.request_log import RequestLog
from local.listing_api.server import HOST, application, bind, serve
from local.listing_api.state_file import BadState
from local.listing_api.subscription import Subscriptions

EXAMPLE_KEY = "example-key-not-real"
KEY_FIELD = "listing_api_key"


class BadSecrets(ValueError):
    """A secrets file that gives no key; the message names it and what is missing, and repeats nothing of it."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 when it ended well, 2 where what was given cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        return _write(options) if options.write_pages else _serve(options)
    except (BadRecording, BadRequest, BadSecrets, BadState, OSError) as error:
        print(f"listing_api: {error}", file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace) -> int:
    if options.state is None:
        raise BadState("--state DIR is needed: the folder in which clock and used quota are kept")
    options.state.mkdir(parents=True, exist_ok=True)
    pages: Pages = load_recordings(options.recordings) if options.recordings else _simulated(options)
    keys = [*(options.key or []), *_filed(options.secrets)] or [EXAMPLE_KEY]
    subscriptions = Subscriptions(keys, options.state, options.quota, options.rate)
    gateway = Gateway(pages, Clock(options.state), subscriptions, Faults(), RequestLog())
    recordings = str(options.recordings) if options.recordings else None
    facts = {"seed": options.seed, "recordings": recordings, "families": list(FAMILIES)}
    listener = bind(options.port)
    print(f"listing_api: serving on http://{HOST}:{listener.getsockname()[1]}", flush=True)
    serve(application(gateway, facts), listener)
    return 0


def _filed(secrets: Path | None) -> list[str]:
    """The key in a secrets file; none without a file. Raises BadSecrets, and OSError for a file that is not there."""
    if secrets is None:
        return []
    try:
        content = json.loads(secrets.read_text(encoding="utf-8"))
    except ValueError:
        raise BadSecrets(f"{secrets}: expected JSON with the field {KEY_FIELD}, found something else.") from None
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise BadSecrets(f"{secrets}: expected a JSON object with the field {KEY_FIELD}, found {kind}.")
    key = content.get(KEY_FIELD)
    if not (isinstance(key, str) and key):
        raise BadSecrets(f"{secrets}: expected a text in the field {KEY_FIELD}, found none.")
    return [key]


def _write(options: argparse.Namespace) -> int:
    if options.out is None:
        raise BadRequest("--write-pages needs --out DIR, the folder to write to")
    written = write_pages(FAMILIES[options.family], options.write_pages, options.out, _simulated(options))
    print(f"listing_api: wrote {options.write_pages} pages, {written} listings, to {options.out}")
    return 0


def _simulated(options: argparse.Namespace) -> SimulatedPages:
    return SimulatedPages(options.seed, options.page_size, options.pages_cap, options.dirty)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m local.listing_api", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=8090, help="port on 127.0.0.1; 0 takes a free one")
    add("--state", type=Path, help="folder in which clock and used quota are kept")
    add("--seed", type=int, default=7, help="which simulated market")
    add("--key", action="append", help=f"a key that is subscribed; may be repeated (default {EXAMPLE_KEY})")
    add("--secrets", type=Path, help=f"JSON whose field {KEY_FIELD} is subscribed, not to be seen among processes")
    add("--recordings", type=Path, help="serve the recorded pages of this folder instead")
    add("--rate", type=_count, default=5, help="requests per second and key; 0 for no limit")
    add("--quota", type=_count, default=10_000, help="requests per month and key")
    add("--page-size", type=_positive, default=41, help="listings per page, where the request names none")
    add("--pages-cap", type=_positive, default=20, help="pages that can be reached")
    add("--dirty", type=_share, default=0.005, help="share of rows that are spoilt, 0 to 1")
    add("--write-pages", type=_positive, metavar="N", help="write N full pages as files instead of serving")
    add("--out", type=Path, help="folder for --write-pages")
    add("--family", choices=list(FAMILIES), default="zillow56", help="family of --write-pages")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {text}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
