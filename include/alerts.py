"""Mail to a person: a task that failed or is tried again, and messages such as reconciliation's.

Nobody is written to where LISTINGS_ALERT_TO is empty. A mail server that is down, slow or unknown costs seconds and
a line in the log, never a task. What a mail quotes (the API's words, market names) is hostile: it is cut, escaped,
kept to its line, out of the headers, never rendered as a template, and Airflow's masker takes known secrets out of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from email.mime.text import MIMEText
from html import escape
from typing import Any

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk._shared.secrets_masker import redact

from include.base.searches import SALE, market_name
from include.base.settings import tuning

SMTP_CONN_ID = "smtp_listings"
SECONDS_PER_STEP = 10
"""Patience with each answer of the mail server: Airflow ends a task that lingers longer than 20 s after its end."""
LONGEST_SUBJECT = 160
LONGEST_REASON = 2000
LONGEST_MAIL = 200_000
LOG = "Log: "
NO_REASON = "it was ended from outside, or its process died: it could not say why. Its log shows how far it came"

_log = logging.getLogger(__name__)


def callbacks() -> dict[str, Callable[[Mapping[str, Any]], None]]:
    """What a DAG's default_args need so that failures and retries are mailed; empty where nobody is to be told."""
    if not tuning().alert_to:
        return {}
    return {"on_failure_callback": tell_failure, "on_retry_callback": tell_retry}


def tell_failure(context: Mapping[str, Any]) -> None:
    """Mails that the task of this Airflow context failed."""
    _tell("failed", context)


def tell_retry(context: Mapping[str, Any]) -> None:
    """Mails that the task of this Airflow context failed and will be tried again."""
    _tell("will be tried again", context)


def send(subject: str, lines: Iterable[str], log_url: str | None = None) -> bool:
    """Mails the lines to LISTINGS_ALERT_TO; True when the mail server took them, False where nobody is to be told.

    Each line stays one, whatever it quotes: words from outside must not look like a line of ours. The one link is
    `log_url`, where a line of its own names it. Never raises: what goes wrong is a line in the log, and False.
    """
    recipients = tuning().alert_to
    if not recipients:
        return False
    text = str(redact("\n".join(_plain(line).replace("\n", " ") for line in lines)))[:LONGEST_MAIL]
    try:
        notifier = SmtpNotifier(
            smtp_conn_id=SMTP_CONN_ID,
            from_email=tuning().alert_from or recipients[0],
            to=list(recipients),
            subject=_headline(subject),
            html_content=_html(text, f"{LOG}{log_url}" if log_url else None),
            mime_subtype="alternative",
        )
        notifier.hook = _PatientlessHook(text)
        # Not called as Airflow calls it: that would render the text, whatever it quotes, as a template.
        notifier.notify({})
    except Exception as fault:  # noqa: BLE001 whatever it is, it is about the mail and not about the task
        _log.error("No mail %r to %s: %s: %s", _headline(subject), ", ".join(recipients), type(fault).__name__, fault)
        return False
    return True


def _tell(what: str, context: Mapping[str, Any]) -> None:
    try:
        subject, lines = _describe(what, context)
        log_url = getattr(context.get("ti"), "log_url", None)
    except Exception:  # noqa: BLE001 as above
        _log.exception("No mail: the task's context could not be described")
        return
    send(subject, lines, log_url)


def _describe(what: str, context: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Subject and lines about a task; a context from outside the task's process lacks several names."""
    ti = context.get("ti")
    request, partition = _request(context), str(context.get("partition_key") or "")
    head, _, tail = partition.rpartition("|")
    market = getattr(ti, "rendered_map_index", None) or _asked(request) or head or _place(ti, context) or "all"
    date = request.get("date") or tail or _day(context.get("dag_run"))
    name = f"{getattr(ti, 'dag_id', '?')}.{getattr(ti, 'task_id', '?')}"
    tries = f"{getattr(ti, 'try_number', '?')} of {_tries(ti, context)}"
    fault = context.get("exception")
    reason = f"{type(fault).__name__}: {fault}" if isinstance(fault, BaseException) else fault or NO_REASON
    return f"[listings] {name} {what}: {market}, {date}", [
        f"DAG: {getattr(ti, 'dag_id', '?')}",
        f"Task: {getattr(ti, 'task_id', '?')}",
        f"Market: {_one_line(market)}",
        f"Date: {_one_line(date)}",
        f"Run: {getattr(ti, 'run_id', '?')}",
        f"Try: {tries} ({what})",
        "",
        f"Reason: {_cut(str(redact(str(reason))), LONGEST_REASON)}",
        "",
        f"{LOG}{getattr(ti, 'log_url', 'in the UI')}",
    ]


def _request(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The extraction that the task is for; outside the task's own process it is not resolved."""
    request = getattr(context.get("task"), "request", None)
    return request if isinstance(request, Mapping) else {}


def _asked(request: Mapping[str, Any]) -> str | None:
    location = request.get("location")
    return market_name(location, request.get("listing", SALE)) if location else None


def _place(ti: Any, context: Mapping[str, Any]) -> str | None:
    """The market of a mapped task that is not resolved: one place in the list that the extraction was given."""
    index = getattr(ti, "map_index", None)
    if not isinstance(index, int) or index < 0:
        return None
    named = (context.get("params") or {}).get("markets")
    if ti.dag_id == "extract_listings" and isinstance(named, list) and index < len(named):
        return market_name(str(named[index]), context["params"].get("listing", SALE))
    return f"number {index} of the run's list (map index)"


def _day(run: Any) -> str:
    moment = getattr(run, "run_after", None)
    return f"{moment:%Y-%m-%d}" if moment else "not known"


def _tries(ti: Any, context: Mapping[str, Any]) -> int:
    """Tries in all. Clearing a task raises its own limit; outside the task's process that may be unknown, and 0."""
    limits = (getattr(ti, "max_tries", 0), getattr(context.get("task"), "retries", 0), getattr(ti, "try_number", 1) - 1)
    return max(limit for limit in limits if isinstance(limit, int)) + 1


class _PatientlessHook(SmtpHook):
    """One try with a short patience, and the text in plain beside the HTML.

    Left alone, the hook waits for 30 s up to six times, unless the connection's extra says otherwise.
    """

    def __init__(self, text: str) -> None:
        super().__init__(SMTP_CONN_ID)
        self._text = text

    @property
    def timeout(self) -> int:
        """Seconds for each answer of the server."""
        return min(super().timeout, SECONDS_PER_STEP) or SECONDS_PER_STEP

    @property
    def smtp_retry_limit(self) -> int:
        """No second try."""
        return 0

    def _build_mime_message(self, *args: Any, **kwargs: Any) -> Any:
        message, recipients = super()._build_mime_message(*args, **kwargs)
        message.set_payload([MIMEText(self._text, "plain", "utf-8"), *message.get_payload()])
        return message, recipients


def _html(text: str, log_line: str | None) -> str:
    lines = [_linked(line) if line == log_line else escape(line) for line in text.split("\n")]
    return "<html><body><p>" + "<br>\n".join(lines) + "</p></body></html>"


def _linked(line: str) -> str:
    return re.sub(r"(https?://\S+)$", r'<a href="\1">\1</a>', escape(line))


def _headline(subject: str) -> str:
    """One printable line: a line break would end the header and begin another one."""
    return _cut(_one_line(str(redact(subject))), LONGEST_SUBJECT)


def _one_line(text: Any) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in _plain(str(text))).split())


def _plain(text: str) -> str:
    """The text as UTF-8 can carry it, without control characters but for line breaks."""
    encodable = text.encode("utf-8", "replace").decode()
    return "".join(c if c in "\n\t" or c.isprintable() else " " for c in encodable.replace("\r\n", "\n"))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
