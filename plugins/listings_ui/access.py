"""Who may see what: every route needs Airflow's login, and what belongs to a DAG the permission to read that DAG."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.models.dag import DagModel
from fastapi import Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader
from starlette.exceptions import HTTPException

from include.progress.rows import PIPELINE, REPORT

FOLDER = Path(__file__).parent
TEMPLATES = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
TEMPLATES.globals["report_dag"] = REPORT

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_FOR_SCRIPTS = ("/api/", "/assets/")
# What Airflow says, with 403, of a cookie that it did not sign: one from before its keys changed.
_INVALID_LOGIN = "Invalid JWT token"


def readable_dags(user: Any) -> set[str]:
    """Those of the pipeline's DAGs that the user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user) & set(PIPELINE)


def may_read_reports(user: Any) -> bool:
    """Whether the user may read `report_listings`, and so what it made."""
    details = DagDetails(id=REPORT, team_name=DagModel.get_team_name(REPORT))
    return get_auth_manager().is_authorized_dag(method="GET", details=details, user=user)


async def with_headers(request: Request, call_next: Any) -> Response:
    """Gives each answer the headers of the page, but for those that it has already."""
    response: Response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def failed(request: Request, error: Exception) -> Response:
    """What nobody foresaw, as a sentence; Airflow's log has the rest."""
    words = f"The page failed ({type(error).__name__}). The log of the api-server says why."
    if _path(request).startswith(_FOR_SCRIPTS):
        return JSONResponse({"detail": words}, 500, headers=_HEADERS)
    return HTMLResponse(TEMPLATES.get_template("message.html.j2").render(words=words), 500, headers=_HEADERS)


async def refused(request: Request, error: Exception) -> Response:
    """A page says what is wrong in a sentence, or leads to the login; what a script asked for is answered in JSON."""
    assert isinstance(error, HTTPException)
    if _path(request).startswith(_FOR_SCRIPTS):
        return await http_exception_handler(request, error)
    if error.status_code == 401 or error.detail == _INVALID_LOGIN:
        return RedirectResponse(login_address(request), status_code=303)
    words = str(error.detail)
    if error.status_code == 403:
        words = f"You may not see this: it takes the permission to read {REPORT}. Whoever runs Airflow gives it."
    return HTMLResponse(TEMPLATES.get_template("message.html.j2").render(words=words), error.status_code)


def login_address(request: Request) -> str:
    """Airflow's login, which leads back to where the request went; with the path that Airflow's address has."""
    mounted_at = request.scope.get("root_path", "")
    back = mounted_at + _path(request) + (f"?{request.url.query}" if request.url.query else "")
    return f"{mounted_at.rpartition('/')[0]}/api/v2/auth/login?next={quote(back, safe='')}"


def _path(request: Request) -> str:
    """The path below where the page is mounted."""
    return str(request.scope["path"]).removeprefix(request.scope.get("root_path", ""))
