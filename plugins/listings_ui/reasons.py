"""Why a task failed: what it left under `fault`, or the words of the last exception in its log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.xcom import XComModel
from airflow.utils.log.log_reader import TaskLogReader
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from include.base.receipts import FAULT
from include.progress.rows import Where

LONGEST = 4000
_SENTENCE = re.compile(r".{20,}?[.!?](?=\s)")


class NoReason(LookupError):
    """There is no such try, or its log says nothing; the message is a sentence."""


@lru_cache(maxsize=512)
def reason(where: Where) -> tuple[str, str]:
    """The first words and the whole text of what a try failed with; what is known stays so, and is kept."""
    with create_session(scoped=False) as session:
        text = (_fault(session, where) or _last_words(_log(session, where))).strip()[:LONGEST]
    if not text:
        raise NoReason("The log of the task says nothing. Open the task to see its tries.")
    return first_words(text), text


def first_words(text: str) -> str:
    """The first sentence of the first line."""
    line = text.splitlines()[0]
    found = _SENTENCE.match(line)
    return found[0] if found else line


def _fault(session: Session, where: Where) -> str | None:
    same = (
        XComModel.dag_id == where.dag_id,
        XComModel.run_id == where.run_id,
        XComModel.task_id == where.task_id,
        XComModel.map_index == where.map_index,
    )
    row = session.execute(select(XComModel.value).where(*same, XComModel.key == FAULT)).first()
    return str(XComModel.deserialize_value(row)) if row else None


def _log(session: Session, where: Where) -> list[Any]:
    reader = TaskLogReader()
    if not reader.supports_read:
        raise NoReason("The log of the task can only be read where it is kept.")
    models: tuple[Any, ...] = (TaskInstance, TaskInstanceHistory)
    for model in models:
        query = (
            select(model)
            .where(
                model.dag_id == where.dag_id,
                model.run_id == where.run_id,
                model.task_id == where.task_id,
                model.map_index == where.map_index,
                model.try_number == where.try_number,
            )
            .options(joinedload(model.dag_run))
        )
        if tried := session.scalar(query):
            lines, _ = reader.read_log_chunks(tried, where.try_number, {"end_of_log": False})
            return list(lines)
    raise NoReason("This try is gone: the task was cleared.")


def _last_words(lines: Iterable[Any]) -> str:
    """What the last exception says, not what caused it, which the log has behind it; without one, the last line."""
    said, raised = "", ""
    for line in lines:
        said = str(getattr(line, "event", line))
        for each in (getattr(line, "error_detail", None) or [])[:1]:
            raised = _in_words(str(each.get("exc_type") or ""), str(each.get("exc_value") or ""))
    return raised or said


def _in_words(kind: str, said: str) -> str:
    """What an exception says; one that is no sentence, like a KeyError's, with its kind."""
    return said if " " in said.strip() else ": ".join(filter(None, (kind, said)))
