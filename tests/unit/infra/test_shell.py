"""Settings of a person's shell that would reach into the stack."""

from __future__ import annotations

from infra.deploy.shell import leave_out_foreign_settings


def test_profiles_database_settings_and_proxies_are_left_out() -> None:
    """AWS_*, PG* and proxies of either case go, what is ours stays, and no file of profiles is read."""
    shell = {
        "AWS_PROFILE": "work",
        "PGSSLMODE": "require",
        "http_proxy": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "LISTINGS_HOME": "home",
        "PATH": "/bin",
    }
    leave_out_foreign_settings(shell)
    ours = {"LISTINGS_HOME": "home", "PATH": "/bin"}
    assert {**ours, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} == shell
