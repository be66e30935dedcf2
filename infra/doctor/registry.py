"""Knows all checks in the order in which a person reads them, and which must be well before another can be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from infra.doctor.account import look_at_account, look_at_clock, look_at_stack
from infra.doctor.airflow_health import look_at_airflow
from infra.doctor.alarms import look_at_alarms
from infra.doctor.connections import look_at_connections
from infra.doctor.consumers import look_at_consumers
from infra.doctor.copy_role import look_at_copy_role
from infra.doctor.dag_files import look_at_dags
from infra.doctor.finding import NEEDS, Finding, State, Stopped, needs
from infra.doctor.listing_api import look_at_key, look_at_quota
from infra.doctor.machine import look_at_machine
from infra.doctor.permissions import look_at_permissions
from infra.doctor.queues import look_at_copy_queue, look_at_dead_letters, look_at_transform_queue
from infra.doctor.quotas import look_at_lambda_room, look_at_network_room
from infra.doctor.storage import look_at_buckets, look_at_functions, look_at_versions
from infra.doctor.target import Target
from infra.doctor.unexpected import unexpected
from infra.doctor.warehouse import look_at_warehouse, look_at_warehouse_role
from infra.doctor.zones import look_at_zones

SIDE_BY_SIDE = 8
ON_AWS, LOCALLY = "aws", "local"


@dataclass(frozen=True)
class Check:
    """A check by name. `after`: what must be well before it can be asked; `waits_for`: what must only be known.

    `only` says where it makes sense, empty for everywhere.
    """

    name: str
    look: Callable[[Target], Finding]
    after: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    only: str = ""


CHECKS = (
    Check("clock", look_at_clock),
    Check("account", look_at_account),
    Check("permissions", look_at_permissions, ("account",), ("stack",), ON_AWS),
    Check("lambda room", look_at_lambda_room, ("account",)),
    Check("network room", look_at_network_room, ("account",), ("stack",), ON_AWS),
    Check("zones", look_at_zones, ("account",), ("stack",), ON_AWS),
    Check("dags", look_at_dags),
    Check("machine", look_at_machine, (), (), LOCALLY),
    Check("stack", look_at_stack, ("account",)),
    Check("api key", look_at_key, ("account",), ("stack",)),
    Check("api quota", look_at_quota, ("api key",)),
    Check("buckets", look_at_buckets, ("stack",)),
    Check("functions", look_at_functions, ("stack",)),
    Check("versions", look_at_versions, ("functions",)),
    Check("copy queue", look_at_copy_queue, ("buckets", "functions")),
    Check("transform queue", look_at_transform_queue, ("buckets", "functions")),
    Check("dead letters", look_at_dead_letters, ("stack",)),
    Check("connections", look_at_connections, ("stack",)),
    Check("warehouse", look_at_warehouse, ("stack",)),
    Check("warehouse role", look_at_warehouse_role, ("stack",), (), ON_AWS),
    Check("copy role", look_at_copy_role, ("buckets",)),
    Check("airflow", look_at_airflow, ("stack",)),
    Check("consumers", look_at_consumers, ("airflow",), (), LOCALLY),
    Check("alarms", look_at_alarms, ("stack",), (), ON_AWS),
)


def examine(target: Target, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """The findings in the order of `checks`, which run side by side as far as they do not wait for each other."""
    where = LOCALLY if target.is_local else ON_AWS
    waiting = {check.name: check for check in checks if check.only in ("", where)}
    order = list(waiting)
    findings: dict[str, Finding] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running: dict[Future[Finding], str] = {}
        while waiting or running:
            for check in [each for each in waiting.values() if _may_begin(each, findings, order)]:
                del waiting[check.name]
                stopped_by = next((name for name in check.after if findings[name].state is not State.OK), None)
                if stopped_by is not None:
                    findings[check.name] = _not_asked(check, findings[stopped_by])
                else:
                    running[pool.submit(_look, check, target)] = check.name
            done, _ = wait(running, timeout=None if running else 0, return_when=FIRST_COMPLETED)
            for each in done:
                findings[running.pop(each)] = each.result()
    return [findings[name] for name in order]


def _not_asked(check: Check, stopped_by: Finding) -> Finding:
    """Names the first cause, not what only follows from it."""
    first = stopped_by if stopped_by.found.startswith(NEEDS) else needs(stopped_by.check)
    return replace(first, check=check.name)


def _may_begin(check: Check, findings: dict[str, Finding], order: Sequence[str]) -> bool:
    return all(name in findings for name in (*check.after, *check.waits_for) if name in order)


def _look(check: Check, target: Target) -> Finding:
    """The check's finding; whatever it raises is one too, so that the others are heard."""
    try:
        found = check.look(target)
    except Stopped as stopped:
        found = stopped.finding
    except Exception as error:  # noqa: BLE001 - a fault of the doctor must not hide what the other checks found
        found = unexpected(target, error)
    return replace(found, check=check.name)
