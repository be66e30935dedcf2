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
# It stands on light, on dark, and on the blue of the chosen entry: a dark line around a light house shows.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{line}" stroke-width="1.8" '
    'stroke-linecap="round" stroke-linejoin="round"><path d="M12 3.5 3 11h2.5v9.5h13V11H21z" fill="{wall}"/>'
    '<path d="M9 17.5v-3M12 17.5v-7M15 17.5v-5"/></svg>'
)


def _icon(line: str, wall: str) -> str:
    return f"data:image/svg+xml,{quote(_ICON.format(line=line, wall=wall))}"


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
            "icon": _icon("#2f4a75", "#ffffff"),
            "icon_dark_mode": _icon("#dbe6f5", "#1e2f4d"),
        }
    ]
