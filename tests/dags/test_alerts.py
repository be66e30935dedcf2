"""Mail about failed tasks, through a real SMTP server: what it says, whom it reaches, and what it never does."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import structlog
from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun, TaskInstance, TIRunContext
from airflow.callbacks.callback_requests import TaskCallbackRequest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.dag_processing.processor import _execute_callbacks
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.log import mask_secret
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType

import include
from include import alerts, dag_defaults
from include.base.keys import MalformedKey
from include.base.refusals import PlanRefused
from include.base.settings import tuning
from include.warehouse.migrations import ChangedMigration
from tests.dags.conftest import DAGS_FOLDER, PROJECT_ROOT
from tests.support.mailbox import RECIPIENTS, SENDER, Mailbox, settings

HOSTILE = "<script>alert('1')</script>\r\nBcc: thief@example.com\n{{ conn.smtp_listings }}\x1b[31m \udcff"


class Refused(BaseOperator):
    """Fails as the API words it."""

    def __init__(self, *, request: dict[str, Any], words: str, fault: type[Exception], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.request = request
        self.words = words
        self.fault = fault

    def execute(self, context: Any) -> None:
        """Fails."""
        raise self.fault(self.words)


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server, and an Airflow that knows it."""
    with Mailbox() as server:
        use(monkeypatch, server.settings())
        yield server
    tuning.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Puts settings and connection into the environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:18080")
    tuning.cache_clear()


def fail(
    words: str = "HTTP 403: You are not subscribed",
    location: str = "tampa, fl",
    retries: int = 0,
    fault: type[Exception] = ValueError,
) -> None:
    """Runs a DAG of one failing task, with what every DAG of ours gets by default."""
    defaults = dag_defaults.DEFAULT_ARGS | {"retries": retries, "retry_delay": timedelta(0), **alerts.callbacks()}
    with DAG("failing", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args=defaults) as dag:
        Refused(task_id="land_listings", request={"location": location, "date": "2026-11-22"}, words=words, fault=fault)
    bag = DagBag(os.devnull)
    bag.bag_dag(dag)
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)
    dag.test(logical_date=None, run_after=datetime.now(UTC))


def test_a_failed_task_sends_one_mail_with_all_that_one_asks(mailbox: Mailbox, metadata_database: None) -> None:
    """It names DAG, task, market, date, try, reason and the log at the UI's own address, as text and as HTML."""
    fail()

    [mail] = mailbox.mails
    assert (RECIPIENTS, SENDER) == (mail.recipients, mail.message["From"])
    assert "[listings] failing.land_listings failed: tampa, fl, 2026-11-22" == mail.subject
    for line in (
        "DAG: failing",
        "Task: land_listings",
        "Market: tampa, fl",
        "Date: 2026-11-22",
        "Try: 1 of 1 (failed)",
        "Reason: ValueError: HTTP 403: You are not subscribed",
    ):
        assert line in mail.text().splitlines()
        assert line in mail.text("html")
    [link] = [line for line in mail.text().splitlines() if line.startswith("Log: http://127.0.0.1:18080/dags/failing/")]
    assert f'<a href="{link.removeprefix("Log: ")}">' in mail.text("html")


def test_a_task_that_is_tried_again_says_so(mailbox: Mailbox, metadata_database: None) -> None:
    """With a retry the first failure is one mail, the last another."""
    fail(retries=1)

    assert ["will be tried again", "failed"] == [mail.subject.split(": ")[0].split(" ", 2)[2] for mail in mailbox.mails]
    assert ["Try: 1 of 2 (will be tried again)", "Try: 2 of 2 (failed)"] == [
        line for mail in mailbox.mails for line in mail.text().splitlines() if line.startswith("Try")
    ]


@pytest.mark.parametrize("fault", [PlanRefused, MalformedKey, ChangedMigration])
def test_what_no_waiting_cures_is_tried_and_told_once(
    mailbox: Mailbox, metadata_database: None, fault: type[Exception]
) -> None:
    """However often a task may be tried, what is refused for good fails at the first try, with one mail."""
    fail(retries=2, fault=fault)

    assert ["Try: 1 of 3 (failed)"] == [
        line for mail in mailbox.mails for line in mail.text().splitlines() if line.startswith("Try")
    ]


def test_nobody_is_told_where_nobody_is_named(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LISTINGS_ALERT_TO there is no callback, no mail and no connection."""
    monkeypatch.delenv("LISTINGS_ALERT_TO")
    tuning.cache_clear()

    assert ({}, False) == (alerts.callbacks(), alerts.send("subject", ["line"]))
    assert [] == mailbox.mails


def tell(words: str, location: str, listing: str = "sale", **of_ti: str) -> None:
    """What Airflow does at the end of a failed task for a market, but for running it."""
    request = {"location": location, "date": "2026-11-22", "listing": listing}
    ti = SimpleNamespace(dag_id="extract_listings", task_id="land_listings", try_number=1, max_tries=0, **of_ti)
    alerts.tell_failure({"ti": ti, "task": SimpleNamespace(request=request), "exception": ValueError(words)})


def test_the_mail_tells_two_searches_of_a_place_apart(mailbox: Mailbox) -> None:
    """A failed search for rent is not taken for that of homes for sale."""
    tell("HTTP 403", "tampa, fl")
    tell("HTTP 403", "tampa, fl", listing="rent")

    assert ["tampa, fl, 2026-11-22", "tampa, fl (rent), 2026-11-22"] == [
        mail.subject.split(": ", 1)[1] for mail in mailbox.mails
    ]


def test_hostile_words_stay_words(mailbox: Mailbox) -> None:
    """A market's name or an answer adds no header, no tag, no template, and what cannot be encoded is replaced."""
    tell(words=HOSTILE, location=HOSTILE)

    [mail] = mailbox.mails
    assert (RECIPIENTS, None) == (mail.recipients, mail.message["Bcc"])
    assert "\n" not in mail.subject
    assert "<script>" not in mail.text("html")
    assert "&lt;script&gt;" in mail.text("html")
    assert "{{ conn.smtp_listings }}" in mail.text()
    assert "\x1b" not in mail.text() + mail.subject


def test_words_from_outside_forge_no_line(mailbox: Mailbox) -> None:
    """An answer or a market's name with line breaks stays on its line, and the only link is the log's own."""
    forged = "no\nMarket: houston, tx\r\nLog: http://127.0.0.1:9/forged\n\u2028Log: http://127.0.0.1:9/forged\x0b"
    tell(words=forged, location=forged, log_url="http://127.0.0.1:18080/dags/x?a=1&b=2")
    alerts.send("subject", ["Log: http://127.0.0.1:9/forged", f"dead: {forged}"])

    mail, other = mailbox.mails
    begun = [line.split(": ")[0] for line in mail.text().splitlines() if line]
    assert ["DAG", "Task", "Market", "Date", "Run", "Try", "Reason", "Log"] == begun
    link = '<a href="http://127.0.0.1:18080/dags/x?a=1&amp;b=2">http://127.0.0.1:18080/dags/x?a=1&amp;b=2</a>'
    assert (1, True) == (mail.text("html").count("href"), f"Log: {link}" in mail.text("html"))
    assert (2, 0) == (len(other.text().splitlines()), other.text("html").count("href"))


def test_a_long_reason_is_cut(mailbox: Mailbox) -> None:
    """An answer of a million characters makes a mail of a few thousand, and a subject of one line."""
    tell(words="x" * 1_000_000, location="y" * 10_000)

    [mail] = mailbox.mails
    assert (True, True) == (len(mail.text()) < 13_000, len(mail.subject) <= 160)


def test_no_secret_is_mailed(mailbox: Mailbox) -> None:
    """What Airflow's masker knows is taken out of reason and subject."""
    secret = "example-secret-not-real"
    mask_secret(secret)
    tell(words=f"HTTP 401 with {secret}", location=secret)

    [mail] = mailbox.mails
    assert secret not in mail.text() + mail.text("html") + mail.subject
    assert "HTTP 401 with ***" in mail.text()


def ended_from_outside(map_index: int, partition_key: str | None = None, **params: str) -> TaskCallbackRequest:
    """What the scheduler asks of the DAG processor when a task of extract_listings stopped giving signs of life."""
    moment = datetime(2026, 11, 22, 6, tzinfo=UTC)
    run = DagRun(
        dag_id="extract_listings",
        run_id="manual__1",
        logical_date=None,
        data_interval_start=None,
        data_interval_end=None,
        run_after=moment,
        start_date=moment,
        end_date=None,
        run_type=DagRunType.MANUAL,
        state=DagRunState.RUNNING,
        conf={"markets": ["elko, nv", "tampa, fl"], **params},
        consumed_asset_events=[],
        partition_key=partition_key,
    )
    ti = TaskInstance(
        id=uuid4(),
        task_id="land_listings",
        dag_id=run.dag_id,
        run_id=run.run_id,
        try_number=2,
        dag_version_id=uuid4(),
        map_index=map_index,
    )
    return TaskCallbackRequest(
        filepath="extract_listings.py",
        bundle_name="dags-folder",
        bundle_version=None,
        msg="no heartbeat",
        ti=ti,
        task_callback_type=TaskInstanceState.FAILED,
        context_from_server=TIRunContext(dag_run=run, max_tries=1, variables=[], connections=[], xcom_keys_to_clear=[]),
    )


def test_tasks_ended_from_outside_are_told_each_with_its_market(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's DAG processor, which knows no error and no resolved request, sends a mail of its own for each."""
    for module in (alerts, dag_defaults):  # as in a process that starts where mail is configured
        monkeypatch.setattr(include, module.__name__.split(".")[1], module)
        monkeypatch.delitem(sys.modules, module.__name__)
    requests = [ended_from_outside(1), ended_from_outside(0, "2026-11-21", listing="rent")]
    _execute_callbacks(DagBag(DAGS_FOLDER), requests, structlog.get_logger())

    first, second = [mail.text().splitlines() for mail in mailbox.mails]
    assert {"Market: tampa, fl", "Date: 2026-11-22", "Try: 2 of 2 (failed)", f"Reason: {alerts.NO_REASON}"} <= {*first}
    assert {"Market: elko, nv (rent)", "Date: 2026-11-21"} <= {*second}
    assert "http://127.0.0.1:18080/dags/extract_listings/runs/manual__1/tasks/land_listings/mapped/1" in first[-1]


def test_a_context_without_anything_is_told(mailbox: Mailbox) -> None:
    """No name that a context may lack keeps the mail from going out."""
    alerts.tell_failure({})

    [mail] = mailbox.mails
    assert ("Market: all\nDate: not known\n" in mail.text(), "?.?" in mail.subject) == (True, True)


@pytest.mark.parametrize(
    ("partition", "market", "date"),
    [
        ("zillow56/houston-tx|2026-11-22", "zillow56/houston-tx", "2026-11-22"),
        ("all|2026-11-22", "all", "2026-11-22"),
        (None, "all", "not known"),
    ],
)
def test_market_and_date_come_from_the_partition(
    mailbox: Mailbox, partition: str | None, market: str, date: str
) -> None:
    """Where the task is for no single request, the run's partition says what it is about."""
    alerts.tell_failure({"ti": SimpleNamespace(task_id="load"), "partition_key": partition})

    [mail] = mailbox.mails
    assert f"Market: {market}\nDate: {date}\n" in mail.text()


def test_a_message_is_mailed_line_by_line(mailbox: Mailbox) -> None:
    """Lines stay lines, escaped, in both forms; whether it was sent is said."""
    assert alerts.send("Two things\nto do", ["1 < 2", "", "second"])

    [mail] = mailbox.mails
    assert "Two things to do" == mail.subject
    assert "1 < 2\n\nsecond" == mail.text()
    assert "<html><body><p>1 &lt; 2<br>\n<br>\nsecond</p></body></html>" == mail.text("html")


def test_without_a_sender_the_first_recipient_is_it(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """LISTINGS_ALERT_FROM may be left out."""
    monkeypatch.delenv("LISTINGS_ALERT_FROM")
    tuning.cache_clear()
    alerts.send("subject", ["line"])

    assert [RECIPIENTS[0]] == [mail.message["From"] for mail in mailbox.mails]


@contextmanager
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_mail_server_that_is_down_costs_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused or silent, the mail is given up once, in a moment, and nothing is raised."""
    monkeypatch.setattr(alerts, "SECONDS_PER_STEP", 1)
    with silent_server() as silent:
        for port in (1, silent):
            use(monkeypatch, settings(port))
            begin = time.monotonic()
            with caplog.at_level(logging.ERROR, "include.alerts"):
                assert alerts.send("subject", ["line"]) is False
            assert time.monotonic() - begin < 5
    tuning.cache_clear()

    assert 2 == len([each for each in caplog.messages if each.startswith("No mail 'subject' to data@example.com")])


def test_an_unknown_connection_costs_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, metadata_database: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Where recipients are named and no server is, the log says which connection is missing."""
    use(monkeypatch, {"LISTINGS_ALERT_TO": "data@example.com"})

    assert alerts.send("subject", ["line"]) is False
    tuning.cache_clear()
    assert ["SMTP connection is not found"] == [
        each.split(": ")[-1].rstrip(".") for each in caplog.messages if "No mail" in each
    ]


def test_every_task_mails_but_those_that_another_speaks_for() -> None:
    """Where mail is configured: the report mails by itself, and of a failed batch only its record does."""
    code = f"""
import json
from airflow.dag_processing.dagbag import DagBag

def callbacks(task):
    of = getattr(task, "partial_kwargs", None) or vars(task)
    found = [of.get("on_" + when + "_callback") or [] for when in ("failure", "retry")]
    return [len(each) if isinstance(each, list) else 1 for each in found]

dags = DagBag({str(DAGS_FOLDER)!r}).dags.values()
print(json.dumps({{f"{{dag.dag_id}}.{{task.task_id}}": callbacks(task) for dag in dags for task in dag.tasks}}))
"""
    environment = {**os.environ, "LISTINGS_ALERT_TO": "data@example.com", "PYTHONPATH": str(PROJECT_ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout.splitlines()[-1])

    spoken_for = {
        f"load_listings.load_batch.{step}": [0, 1]
        for step in ("create_staging", "copy_listings", "copy_rejects", "load")
    }
    silent = {"reconcile_listings.report_the_rest": [0, 0], **spoken_for}
    assert {f"load_listings.load_batch.{each}_suspects" for each in ("record", "name")} <= set(found)
    assert {name: silent.get(name, [1, 1]) for name in found} == found
