"""Faults that a test scripts: which requests they hit, how often, and what goes wrong.

A fault is a JSON object. What it hits: `family`, `location`, `page` (each optional), after `skip` hits
(default 0), `times` times (default 1; null for ever). What it does, in this order: `delay_seconds`; `reset`
(the connection is reset); `status`, `headers`, `body` (an object, or text sent as it is) replace the answer;
`raw_body_bytes` sends so many spaces instead, `gzip_bytes` a gzip that unpacks to about so many; `truncate_at`
sends the first so many bytes as if they were all; `chunked` announces no length; `drip_seconds` sends byte after
byte with so long a pause; `cut_at` announces all, sends so many bytes, waits `stall_seconds` and resets.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.listing_api.places import slug_of

_NUMBER, _TEXT = (int, float), (str,)
_FIELDS: dict[str, tuple[type, ...]] = {
    "family": _TEXT,
    "location": _TEXT,
    "page": (int,),
    "skip": (int,),
    "times": (int, type(None)),
    "delay_seconds": _NUMBER,
    "reset": (bool,),
    "status": (int,),
    "headers": (dict,),
    "body": (dict, list, str),
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

    def hits(self, family: str, location: str, page: int) -> bool:
        """Whether the fault is meant for such a request."""
        wanted = self.script
        return (
            wanted.get("family", family) == family
            and slug_of(wanted.get("location", location)) == slug_of(location)
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
        if "raw_body_bytes" in script:
            body = b" " * script["raw_body_bytes"]
        if "gzip_bytes" in script:
            body = _bomb(script["gzip_bytes"])
            headers["content-encoding"] = "gzip"
        body = body[: script.get("truncate_at", len(body))]
        headers |= {name.lower(): str(value) for name, value in script.get("headers", {}).items()}
        return Answer(
            script.get("status", answer.status),
            body,
            headers,
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

    def strike(self, family: str, location: str, page: int) -> Fault | None:
        """The first fault that is due for this request; counts the strike."""
        for fault in self._faults:
            if fault.left == 0 or not fault.hits(family, location, page):
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
        if isinstance(value, int | float) and value < 0:
            raise ValueError(f"Fault {number}: expected {name} to be 0 or more, got {value!r}.")
    return Fault(script, script.get("skip", 0), script.get("times", 1))
