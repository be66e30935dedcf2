"""The Listings page in Airflow's navigation: how far each market has come, the market report, the marts as files.

All of Airflow's processes load the plugins and only the api-server serves them: what serves the page is imported when
it is first asked for.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/listings"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round"><path d="M3 11 12 4l9 7"/><path d="M5.5 9.5V20h13V9.5"/>'
    '<path d="M9.5 20v-4M12 20v-7M14.5 20v-5"/></svg>'
)


def _icon(colour: str) -> str:
    return f"data:image/svg+xml,{quote(_ICON.format(colour=colour))}"


@cache
def _application() -> Any:
    from listings_ui.app import create_app

    return create_app()


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """The page's ASGI application; the first request makes it."""
    application = await asyncio.to_thread(_application)
    await application(scope, receive, send)


class ListingsPage(AirflowPlugin):
    """Mounts the page at /listings and names it in the navigation; relative, as Airflow's address may have a path."""

    name = "listings_page"
    fastapi_apps = [{"name": "listings", "app": serve, "url_prefix": PREFIX}]  # noqa: RUF012 - as Airflow reads it
    external_views = [  # noqa: RUF012
        {
            "name": "Listings",
            "href": f"{PREFIX.removeprefix('/')}/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "listings",
            "icon": _icon("#3f3f46"),
            "icon_dark_mode": _icon("#d4d4d8"),
        }
    ]
