"""AWS sessions that read botocore's descriptions of services once for the whole process.

`[aws] session_factory` names SharedLoaderSessionFactory. The hooks and the Secrets Manager backend make a session for
each connection, and botocore gives each session a loader of its own, which decodes the list of all endpoints and the
model of each service again: a third of a task's processor time. Sessions of this factory share one loader. Forked
processes inherit what it holds.

Import the hooks before this module: they look for it while they are imported themselves.
"""

from __future__ import annotations

from typing import Any

import boto3
from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory
from botocore.loaders import Loader

# What it holds is read by sessions and never written. Two threads that miss the same file both decode it.
LOADER = Loader()


class SharedLoaderSessionFactory(BaseSessionFactory):
    """The amazon provider's own factory, with LOADER in each boto3 session; credentials and roles are its own."""

    def create_session(self, deferrable: bool = False) -> Any:
        """A boto3 session for the connection. A deferrable one is aiobotocore's and has the provider's own loader."""
        session = super().create_session(deferrable=deferrable)
        return session if deferrable else _sharing(session)

    def _create_basic_session(self, session_kwargs: dict[str, Any]) -> boto3.session.Session:
        """The session that assumes a role, if there is one to assume: its STS client shares the loader too."""
        return _sharing(super()._create_basic_session(session_kwargs))


def _sharing(session: boto3.session.Session) -> boto3.session.Session:
    """Puts LOADER into a session that is made.

    boto3 adds a search path to the loader of each session that it makes, so a shared one must come afterwards: given
    to boto3 from the start it would grow with every session.
    """
    session._session.register_component("data_loader", LOADER)
    return session
