"""Runs the whole stand-in on one machine: PostgreSQL, AWS, Redshift, the listing API and Airflow, supervised."""

from infra.deploy.shell import leave_out_foreign_settings
from local.stack.ports import Ports, free_ports
from local.stack.stack import Stack, StackError

__all__ = ["Ports", "Stack", "StackError", "free_ports", "leave_out_foreign_settings"]
