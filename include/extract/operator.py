"""The operator of the extraction: an `HttpOperator` that lands each page as it comes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

import requests
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.assets import LANDED_LISTINGS
from include.base import claims
from include.base.receipts import ExtractRequest
from include.base.refusals import PlanRefused
from include.base.settings import resources, tuning
from include.contract.families import NotAPage, PageFacts, Source, load_source
from include.extract import bounded_answers, landing, plan, retries
from include.extract.quota_ledger import QuotaLedger
from include.extract.quota_spending import Spending

if TYPE_CHECKING:
    from airflow.sdk import Context

Pages = list[tuple[landing.StoredPage, PageFacts]]


class LandListingsOperator(HttpOperator):
    """Fetches every page of one market, lands each at once, completes the set, and announces it.

    Pages that landed in an earlier try of the same run are not asked for again; a set that is complete is
    only announced again. Whatever is not a page fails the task with the API's own words and is kept under
    `errors/`. No request goes out that the quota ledger did not grant, and none reads more than a page may have.

    The operator emits `landed_listings`: name it among the outlets.

    :param request: an `ExtractRequest` as a dict (templated).
    :param aws_conn_id: the connection that may write the landing bucket.
    """

    template_fields: Sequence[str] = (*HttpOperator.template_fields, "request")

    def __init__(self, *, request: dict[str, Any], aws_conn_id: str = "aws_s3_conn", **kwargs: Any) -> None:
        super().__init__(method="GET", deferrable=False, **kwargs)
        self.request = request
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Lands what is missing of the set and returns its `LandedReceipt` as a dict."""
        manifest = self._set.manifest()
        if manifest is None:
            self._pages: Pages = self._set.pages(self._source)
            with self._spending:
                self._fetch(context)
            manifest = self._set.complete(self._pages, self._spending.quota)
        else:
            self.log.info("%s is complete: announced again, nothing asked for", self._set.key.manifest)
        receipt = landing.receipt(manifest, self._set.manifest_uri)
        event = context["outlet_events"][LANDED_LISTINGS]
        event.add_partitions(self._set.key.partition)
        event.extra = receipt.to_dict()
        return receipt.to_dict()

    @property
    def market_name(self) -> str:
        """The market in words, which the mapped task is named by."""
        return self._ask.market_name

    @cached_property
    def _ask(self) -> ExtractRequest:
        return ExtractRequest.from_dict(self.request)

    @cached_property
    def _source(self) -> Source:
        return load_source(self._ask.source)

    @cached_property
    def _client(self) -> Any:
        return S3Hook(aws_conn_id=self.aws_conn_id).get_conn()

    @cached_property
    def _set(self) -> landing.LandingSet:
        return landing.LandingSet(self._client, resources().landing_bucket, self._ask)

    @cached_property
    def _spending(self) -> Spending:
        ledger = QuotaLedger.of(self._client, self._ask.source)
        return Spending(ledger, self._ask.extract_id, self._ask.market, len(self._pages))

    @property
    def hook(self) -> HttpHook:
        """A hook whose requests are counted and whose answers are bounded."""
        settings = tuning()
        adapter = bounded_answers.BoundedAdapter(
            settings.page_bytes_limit, settings.response_timeout, self._spending.permit, self._spending.answered
        )
        return HttpHook(method=self.method, http_conn_id=self.http_conn_id, adapter=adapter)

    def _fetch(self, context: Context) -> None:
        following = self._following()
        if following is None:
            return
        # Planned in time, but perhaps cleared days later: what the API serves now is another day's.
        started_at = context["ti"].start_date
        plan.refuse_far_date(self._ask.date, started_at, self._ask.date_override, tuning().date_tolerance)
        self._prepare(following)
        try:
            self._spending.reserve(self._last_page() - len(self._pages))
            time.sleep(tuning().seconds_before_first_request(context["ti"].map_index))
            super().execute(context)
        except PlanRefused as refused:
            self._fail(str(refused), permanent=True)
        except retries.PASSING_ERRORS as fault:
            self._fail(f"{type(fault).__name__}: {fault}")

    def _prepare(self, first: dict[str, Any]) -> None:
        self.http_conn_id = self._source.connection
        self.method = self._source.request.method
        self.endpoint = self._source.request.path
        self.data = first["data"]
        # A redirect would take the key, which is a header, to another host.
        self.extra_options = {"timeout": tuning().request_timeout, "check_response": False, "allow_redirects": False}
        self.retry_args = retries.retry_args(
            tuning().api_patience, self._source.is_permanent, self._keep_error, self._tell
        )
        self.pagination_function = self._land_and_turn
        self.response_filter = lambda responses: len(responses)

    def _land_and_turn(self, response: requests.Response) -> dict[str, Any] | None:
        """Lands the page that came and says what to ask for next; HttpOperator calls it after every page."""
        number = len(self._pages) + 1
        if response.status_code == HTTPStatus.NOT_FOUND and self._pages and not self._claimed_pages():
            self.log.info("page %d: HTTP 404, and no page claimed how many there are: taken for the end", number)
            self._keep_error(response)
            return None
        if response.status_code != 200:
            self._refuse(response, f"HTTP {response.status_code}: {self._words(response)}")
        if size := bounded_answers.too_big(response, limit := tuning().page_bytes_limit):
            words = f"{size}, and a page may have {limit} after unpacking (LISTINGS_PAGE_BYTES_LIMIT)"
            self._refuse(response, words, permanent=True)
        received = datetime.now(UTC)
        # Ages are counted from it: a clock that stands still, a proxy's say, is not believed.
        is_overridden = self._ask.date_override is not None
        served = claims.believed(retries.served_at(response), received, is_overridden=is_overridden)
        try:
            page = self._set.put_page(
                self._source,
                number,
                response.content,
                received_at=_iso(received),
                served_at=_iso(served) if served else None,
            )
        except NotAPage as fault:
            self._refuse(response, _in_words(fault))
        bounded_answers.forget(response)
        self._pages.append(page)
        self.log.info("page %d: %d listings, %d bytes", number, page[0].listings, page[0].bytes)
        following = self._following()
        if following:
            time.sleep(tuning().seconds_between_requests)
        return following

    def _following(self) -> dict[str, Any] | None:
        """The request for the page after those landed, or None when the market has no more or the limit is reached."""
        number = len(self._pages) + 1
        if self._pages and (self._pages[-1][0].listings == 0 or number > self._last_page()):
            return None
        return {"data": self._source.request_params(self._ask.location, number, listing=self._ask.listing)}

    def _last_page(self) -> int:
        """The number of the last page to ask for, as far as is known yet."""
        return min(self._ask.page_limit, self._claimed_pages() or self._ask.page_limit)

    def _claimed_pages(self) -> int | None:
        """How many pages there are by the newest page that says it."""
        told = (facts.total_pages for _, facts in reversed(self._pages) if facts.total_pages is not None)
        return next(told, None)

    def _tell(self, words: str) -> None:
        self.log.warning("page %d: %s", len(self._pages) + 1, words)

    def _keep_error(self, response: requests.Response) -> str:
        return self._set.put_error(len(self._pages) + 1, response.status_code, response.content)

    def _words(self, response: requests.Response) -> str:
        try:
            self._source.read_page(response.content)
        except NotAPage as fault:
            return _in_words(fault)
        return response.reason or "no reason given"

    def _refuse(self, response: requests.Response, words: str, *, permanent: bool = False) -> NoReturn:
        key = self._keep_error(response)
        permanent = permanent or self._source.is_permanent(response.status_code, response.content)
        self._fail(words, f"The answer is kept at s3://{resources().landing_bucket}/{key}", permanent=permanent)

    def _fail(self, words: str, *more: str, permanent: bool = False) -> NoReturn:
        """Fails the task in lines that a person can act on: what came, what is kept, what to do."""
        number = len(self._pages) + 1
        kept = f"Pages 1 to {number - 1} are kept" if number > 1 else "Nothing landed yet"
        lines = (
            f"{self.market_name} ({self._source.name}), page {number}: {words.rstrip('.')}.",
            f"{kept}; clear this task and it asks only for what is missing. A wrong market or family needs a new run.",
            *more,
        )
        for line in lines:
            self.log.error(line)
        raise (AirflowFailException if permanent else AirflowException)(" ".join(lines))


def _in_words(fault: NotAPage) -> str:
    """The API's own words where it has any, else what came instead of a page."""
    return fault.message if fault.reason == "error_body" else str(fault)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
