"""The page's application: the page itself, the live table as JSON, why a task failed, reports, marts as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from include.base.keys import MalformedKey
from include.base.version import VERSION
from include.progress.rows import PIPELINE, REPORT, Where
from include.progress.table import last_extraction, table
from include.report.store import KINDS, Download, ReportStore, StoreTrouble, Summary, checked_date
from listings_ui import page_cache
from listings_ui.access import FOLDER, TEMPLATES, failed, may_read_reports, readable_dags, refused, with_headers
from listings_ui.reasons import NoReason, reason

VIEWS = {"pipeline": "Pipeline", "report": "Report", "downloads": "Downloads"}
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "theme.js": "text/javascript"}
# The report brings its own script and styles inline, and runs apart from Airflow: as an origin of its own.
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)
PIECE = 1 << 20

READS_REPORTS = Depends(requires_access_dag("GET", param_dag_id=REPORT))
READS_LOGS = Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))
Days = Annotated[int, Query(ge=1, le=90)]


def create_app() -> FastAPI:
    """The application, to be mounted below Airflow's own; nothing of it is shown without a login."""
    app = FastAPI(title="Listings", openapi_url=None, dependencies=[Depends(get_user)])
    app.middleware("http")(with_headers)
    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(Exception, failed)
    app.get("/", response_class=HTMLResponse)(page)
    app.get("/assets/{name}")(asset)
    app.get("/api/progress")(progress)
    app.get("/api/reason", dependencies=[READS_LOGS])(why)
    app.get("/report", dependencies=[READS_REPORTS])(report)
    app.get("/marts/{mart}.{kind}", dependencies=[READS_REPORTS])(mart_file)
    return app


def page(user: GetUserDep, view: str = "pipeline", date: str = "", days: Days = 14) -> HTMLResponse:
    """The page in one of its views; of the newest report unless `date` names another."""
    if view not in VIEWS:
        raise HTTPException(404, f"There is no such view: expected one of {', '.join(VIEWS)}.")
    may_read, trouble, dates, summary = may_read_reports(user), "", [], None
    try:
        if date:
            checked_date(date)
        if may_read:
            dates = page_cache.report_dates()
            summary = _summary(date, dates)
    except StoreTrouble as fault:
        trouble = str(fault)
    except MalformedKey as fault:
        raise HTTPException(404, _sentence(fault)) from fault
    template = TEMPLATES.get_template("page.html.j2")
    known = {"views": VIEWS, "view": view, "days": days, "date": date or (summary.date if summary else "")}
    known |= {"dates": dates, "summary": summary, "may_read": may_read, "trouble": trouble, "version": VERSION}
    return HTMLResponse(template.render(known))


def asset(name: str) -> FileResponse:
    """A stylesheet or script of the page."""
    if name not in ASSETS:
        raise HTTPException(404, "There is no such file.")
    return FileResponse(FOLDER / name, media_type=ASSETS[name])


def progress(request: Request, user: GetUserDep, days: Days = 14) -> Response:
    """The live table: of the DAGs that the user may read, and of the reports if that one is among them."""
    seen = readable_dags(user)
    history = page_cache.rows(days).visible_to(seen)
    ledgers, trouble = page_cache.ledgers(days)
    body = json.dumps(
        {
            "days": table(history, ledgers.visible_to(seen), until=page_cache.today(), days=days),
            "last": last_extraction(history),
            "paused": sorted(history.paused),
            "forbidden": not seen and bool(page_cache.rows(days).runs),
            "trouble": trouble,
        }
    ).encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


def why(dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> JSONResponse:
    """Why a try of a task failed: `first` words, and the whole `text`."""
    if dag_id not in PIPELINE:
        raise HTTPException(404, "That is no DAG of the pipeline.")
    try:
        first, text = reason(Where(dag_id, run_id, task_id, map_index, try_number))
    except NoReason as nothing:
        raise HTTPException(404, str(nothing)) from nothing
    return JSONResponse({"first": first, "text": text})


def report(date: str) -> HTMLResponse:
    """The report of a date, to be shown in a frame."""
    found = _from_store(lambda store: store.html(date))
    if found is None:
        raise HTTPException(404, f"There is no report of {date}.")
    return HTMLResponse(found, headers={"Content-Security-Policy": REPORT_POLICY})


def mart_file(mart: str, kind: str, date: str) -> StreamingResponse:
    """A mart as it was in the report of a date, `csv` or `parquet`, as a download."""
    found: Download | None = _from_store(lambda store: store.mart(date, mart, kind))
    if found is None:
        raise HTTPException(404, f"The report of {date} has no mart {mart} as {kind}.")
    headers = {"Content-Disposition": f'attachment; filename="{mart}-{date}.{kind}"'}
    if found.size is not None:
        headers["Content-Length"] = str(found.size)
    return StreamingResponse(_pieces(found.body), media_type=KINDS[kind], headers=headers)


def _summary(date: str, dates: list[str]) -> Summary | None:
    """What the report of `date` says of itself, or the newest one's; none while there is none at all."""
    for each in [date] if date else dates:
        found: Summary | None = page_cache.store().summary(each)
        if found:
            return found
    if date:
        raise HTTPException(404, f"There is no report of {date}.")
    return None


def _from_store(look: Any) -> Any:
    try:
        store: ReportStore = page_cache.store()
        return look(store)
    except MalformedKey as fault:
        raise HTTPException(404, _sentence(fault)) from fault
    except StoreTrouble as trouble:
        page_cache.store.forget()
        raise HTTPException(503, str(trouble)) from trouble


def _sentence(fault: Exception) -> str:
    return f"There is nothing here: {fault}."


def _pieces(body: Any) -> Iterator[bytes]:
    try:
        while piece := body.read(PIECE):
            yield piece
    finally:
        body.close()
