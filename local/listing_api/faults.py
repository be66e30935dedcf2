"""Faults that a test scripts: which requests they hit, how often, and what goes wrong.

A fault is a JSON object. What it hits: `family`, `location`, `search` (sale, rent or sold), `page` (each optional),
after `skip` hits (default 0), `times` times (default 1; null for ever). What it does, in this order: `delay_seconds`;
`reset` (the connection is reset); `status`, `headers`, `body` (an object, or text sent as it is) replace the answer, a
header that is null is left away; `date_skew_seconds` sets the Date header ahead, or back where it is negative; `merge`
changes the page as RFC 7396 says (a value replaces what is there, also within an object, null leaves it away);
`raw_body_bytes` sends so many spaces instead, `gzip_bytes` a gzip that unpacks to about so many; `truncate_at` sends
the first so many bytes as if they were all; `chunked` announces no length; `drip_seconds` sends byte after byte with so
long a pause; `cut_at` announces all, sends so many bytes, waits `stall_seconds` and resets.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from local.listing_api.places import slug_of
from local.listing_api.searches import Search

_NUMBER, _TEXT = (int, float), (str,)
_FIELDS: dict[str, tuple[type, ...]] = {
    "family": _TEXT,
    "location": _TEXT,
    "search": _TEXT,
    "page": (int,),
    "skip": (int,),
    "times": (int, type(None)),
    "delay_seconds": _NUMBER,
    "reset": (bool,),
    "status": (int,),
    "headers": (dict,),
    "date_skew_seconds": _NUMBER,
    "body": (dict, list, str),
    "merge": (dict,),
    "raw_body_bytes": (int,),
    "gzip_bytes": (int,),
    "chunked": (bool,),
    "drip_seconds": _NUMBER,
    "truncate_at": (int,),
    "cut_at": (int,),
    "stall_seconds": _NUMBER,
}
# A gzip may consist of several members that unpack one after the other.
_MEMBER = 16_000_000


@dataclass(slots=True)
class Answer:
    """What goes over the wire. `cut_at`: the connection is reset after so many bytes of the body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    chunked: bool = False
    drip_seconds: float | None = None


@dataclass(slots=True)
class Fault:
    """One scripted fault; `script` is what was asked for, `left` how often it still strikes (None: always)."""

    script: Mapping[str, Any]
    skip: int
    left: int | None

    @property
    def delay_seconds(self) -> float:
        """Seconds to wait before anything is answered."""
        return float(self.script.get("delay_seconds", 0))

    @property
    def stall_seconds(self) -> float:
        """Seconds to wait in the middle of the body before the connection is reset."""
        return float(self.script.get("stall_seconds", 0))

    def hits(self, family: str, location: str, search: str, page: int) -> bool:
        """Whether the fault is meant for such a request."""
        wanted = self.script
        return (
            wanted.get("family", family) == family
            and slug_of(wanted.get("location", location)) == slug_of(location)
            and wanted.get("search", search) == search
            and wanted.get("page", page) == page
        )

    def spoil(self, answer: Answer) -> Answer:
        """The answer as the fault makes it."""
        script, body, headers = self.script, answer.body, dict(answer.headers)
        if script.get("reset"):
            return Answer(0, b"", cut_at=0)
        if "body" in script:
            given = script["body"]
            body = given.encode() if isinstance(given, str) else json.dumps(given).encode()
            headers["content-type"] = "text/html" if isinstance(given, str) else "application/json"
        if "merge" in script:
            body = json.dumps(_merged(json.loads(body), script["merge"]), ensure_ascii=False).encode()
        if "raw_body_bytes" in script:
            body = b" " * script["raw_body_bytes"]
        if "gzip_bytes" in script:
            body = _bomb(script["gzip_bytes"])
            headers["content-encoding"] = "gzip"
        body = body[: script.get("truncate_at", len(body))]
        if "date_skew_seconds" in script:
            shown = parsedate_to_datetime(headers["date"]) + timedelta(seconds=script["date_skew_seconds"])
            headers["date"] = format_datetime(shown, usegmt=True)
        headers = _merged(headers, {name.lower(): value for name, value in script.get("headers", {}).items()})
        return Answer(
            script.get("status", answer.status),
            body,
            {name: str(value) for name, value in headers.items()},
            script.get("cut_at"),
            script.get("chunked", False),
            script.get("drip_seconds"),
        )


class Faults:
    """The scripted faults, asked in the order in which they were given."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def put(self, scripts: object) -> None:
        """Replaces all faults. Raises ValueError that says which one is wrong and why."""
        self._faults = _parse_all(scripts)

    def add(self, scripts: object) -> None:
        """Adds faults behind those that are there. Raises ValueError as `put` does."""
        self._faults += _parse_all(scripts)

    def clear(self) -> None:
        """Forgets all faults."""
        self._faults = []

    def report(self) -> list[dict[str, Any]]:
        """The faults with how often each one still strikes."""
        return [{**fault.script, "left": fault.left} for fault in self._faults]

    def strike(self, family: str, location: str, search: str, page: int) -> Fault | None:
        """The first fault that is due for this request; counts the strike."""
        for fault in self._faults:
            if fault.left == 0 or not fault.hits(family, location, search, page):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.left is not None:
                fault.left -= 1
            return fault
        return None


def _bomb(unpacked: int) -> bytes:
    """A gzip that unpacks to `unpacked` spaces, rounded up to whole members: packed once, then repeated."""
    member = min(unpacked, _MEMBER) or 1
    return gzip.compress(b" " * member, mtime=0) * -(-unpacked // member)


def _merged(document: Any, patch: Any) -> Any:
    """Return the document with a JSON merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _parse_all(scripts: object) -> list[Fault]:
    if not isinstance(scripts, list):
        raise ValueError(f"Expected a list of faults, got {type(scripts).__name__}.")
    return [_parse(number, script) for number, script in enumerate(scripts, start=1)]


def _parse(number: int, script: object) -> Fault:
    if not isinstance(script, dict):
        raise ValueError(f"Fault {number}: expected an object, got {type(script).__name__}.")
    for name, value in script.items():
        kinds = _FIELDS.get(name)
        if kinds is None:
            raise ValueError(f"Fault {number}: {name!r} is not known. Expected some of {', '.join(_FIELDS)}.")
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"Fault {number}: expected {name} to be {expected}, got {value!r}.")
        if isinstance(value, int | float) and value < 0 and name != "date_skew_seconds":
            raise ValueError(f"Fault {number}: expected {name} to be 0 or more, got {value!r}.")
    if "merge" in script and not isinstance(script.get("body", {}), dict):
        raise ValueError(f"Fault {number}: expected merge to change an object, and body is none.")
    if script.get("search", Search.SALE) not in tuple(Search):
        raise ValueError(f"Fault {number}: expected search to be {', '.join(Search)}, got {script['search']!r}.")
    return Fault(script, script.get("skip", 0), script.get("times", 1))
