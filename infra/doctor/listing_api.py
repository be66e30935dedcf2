"""Knows how to ask the listing API for one page with the key that the pipeline has, and what its answer means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from include.contract.families import NotAPage, Source, load_source
from infra.aws.account import DeployError
from infra.aws.connections import KEY
from infra.deploy.put_secrets import api_connections, read_config
from infra.doctor.dag_files import parsed
from infra.doctor.finding import Finding, Stopped, mend, needs, ok, skip
from infra.doctor.target import Target
from infra.doctor.web import Answer, ask

FAMILY = "zillow56"
# A market that the daily run begins with.
LOCATION = "houston, tx"
PATIENCE_SECONDS = 20.0
CONFIG = "config/api_config.json"


@dataclass(frozen=True)
class Asked:
    """What came of the one request, and the key, which the API may repeat."""

    answer: Answer
    key: str = field(repr=False)

    def words(self, source: Source) -> str:
        """The API's own words, and never the key among them."""
        try:
            source.read_page(self.answer.body)
            said = ""
        except NotAPage as fault:
            said = fault.message
        return said.replace(self.key, "…") if self.key else said


def look_at_key(target: Target) -> Finding:
    """Whether the API gives listings for the key; costs one request."""
    source = load_source(FAMILY)
    connection, where = _connection(target, source)
    headers = {name: str(value) for name, value in connection["extra"].items() if name.startswith("x-rapidapi-")}
    if not headers.get(KEY):
        return mend(f"{where} has no {KEY}", f"put it there, then {target.command('secrets')}")
    if not target.asks_api:
        return skip(f"not tried, as --no-api says; there is a key in {where}")
    try:
        asked = Asked(ask(_url(source, connection), headers, timeout=PATIENCE_SECONDS), headers[KEY])
    except OSError as error:
        reason = getattr(error, "reason", error)
        return mend(
            f"{connection['host']} does not answer: {reason}", f"look at the host in {where}, and at the network"
        )
    target.notes["asked"] = asked
    return _meaning(target, source, asked, where)


def look_at_quota(target: Target) -> Finding:
    """Whether what is left of the API's quota is enough for a daily run, by the answer to the one request."""
    asked = target.notes.get("asked")
    if asked is None:
        return skip("the API was not asked")
    headers = asked.answer.headers
    remaining = headers.get("x-ratelimit-requests-remaining", "")
    if not remaining.isdecimal():
        return ok("the API does not say what is left")
    left, limit = int(remaining), headers.get("x-ratelimit-requests-limit", "?")
    daily = parsed(target).daily_requests
    if daily is None:
        return skip(f"{left} of {limit} requests are left; what a daily run takes is not known: see dags")
    found = f"{left} of {limit} requests are left, a daily run takes up to {daily}"
    if left < daily:
        return mend(
            found + _until(headers.get("x-ratelimit-requests-reset", "")),
            "take a bigger plan at the API, or lower page_limit or markets in dags/extract_listings.py",
        )
    return ok(found)


def _meaning(target: Target, source: Source, asked: Asked, where: str) -> Finding:
    status, words = asked.answer.status, asked.words(source)
    said = f": {words}" if words else ""
    if status == 200 and not words:
        listings = source.read_page(asked.answer.body).listings
        if listings:
            return ok(f"{source.name} gave {listings} listings for {LOCATION} (asked once: one request of the quota)")
        return mend(
            f"{source.name} gave an empty page for {LOCATION}", "try the search at rapidapi.com: is it the API?"
        )
    if status in (401, 403):
        return mend(
            f"{source.name} refuses the key ({status}{said})",
            f"subscribe at rapidapi.com/search/{source.name}, or put the right key into {where}; "
            f"then {target.command('secrets')}",
        )
    if status == 429 and source.is_permanent(status, asked.answer.body):
        return mend(f"the quota is used up (429{said})", "wait for the reset that rapidapi.com shows, or a bigger plan")
    if status == 429:
        return mend(
            f"too many requests at this moment (429{said})",
            "wait a minute, then run the doctor again (one request more)",
        )
    if status == 200:
        return mend(
            f"{source.name} answered 200 without listings{said}", f"look at the host in {where}: is it the API?"
        )
    return mend(
        f"{source.name} answered {status}{said}", f"look at the host in {where}; an outage passes: try again later"
    )


def _connection(target: Target, source: Source) -> tuple[dict[str, Any], str]:
    """The connection to ask with and where it stands: the secret once deployed, before that what it is made from."""
    if target.outputs:
        return target.connection(source.connection), f"airflow/connections/{source.connection}"
    if target.is_local:
        raise Stopped(needs("stack"))
    try:
        key = read_config(target.root / CONFIG).key
    except DeployError as error:
        raise Stopped(mend(str(error), f"edit {CONFIG}: your key is on the API's page at rapidapi.com")) from None
    return api_connections(key)[source.connection], CONFIG


def _url(source: Source, connection: dict[str, Any]) -> str:
    """As Airflow's HTTP hook puts it together, but https where no scheme is named: a key goes along."""
    host = str(connection.get("host") or source.request.host)
    base = host if "://" in host else f"{connection.get('schema') or 'https'}://{host}"
    port = f":{connection['port']}" if connection.get("port") else ""
    return f"{base.rstrip('/')}{port}{source.request.path}?{urlencode(source.request_params(LOCATION, 1))}"


def _until(seconds: str) -> str:
    """When there is more again, as the API says it."""
    return f", {int(seconds) / 86400:.0f} days until there are more" if seconds.isdecimal() else ""
