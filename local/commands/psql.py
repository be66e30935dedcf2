"""`make sql`: opens psql on the warehouse of the stack that is up, as the reader or as the loader.

The psql is that of the PostgreSQL in the stand-in's environment, so that nothing needs to be installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from local.postgres.server import HOST, binary
from local.stack import Stack, StackError, leave_out_foreign_settings
from local.stack.exit_sentences import GIVEN_WRONGLY, in_a_sentence

ROLES = ("reader", "loader")


def command(port: int, role: str, statement: str = "") -> list[str]:
    """psql on the warehouse's `port` as `role`; given a `statement`, it answers that and ends.

    The password is to be in PGPASSWORD: a command line can be read by everybody on the machine.
    """
    where = f"host={HOST} port={port} dbname=listings user={role} sslmode=disable"
    once = ["--no-psqlrc", f"--command={statement}"] if statement else []
    return [str(binary("psql")), where, "--set=ON_ERROR_STOP=1", *once]


def become_psql(stack: Stack, role: str, statement: str) -> NoReturn:
    """Replaces this process by psql; StackError when no stack is up."""
    if not stack.is_up():
        raise StackError(f"No stack is up in {stack.home.path}. Start one with: make up")
    arguments = command(stack.ports.redshift, role, statement)
    os.execve(arguments[0], arguments, {**os.environ, "PGPASSWORD": stack.home.secrets()[role]})  # noqa: S606 - the terminal is psql's


def main(arguments: list[str] | None = None) -> int:
    """Does not return when psql starts; the exit code is then psql's own."""
    parser = argparse.ArgumentParser(
        prog="make sql", description=__doc__, usage='make sql [AS=loader] [SQL="select …"]'
    )
    parser.add_argument("--as", dest="role", default="reader")
    parser.add_argument("--command", default="", help="given as --command=…: a statement may begin with a dash")
    chosen = parser.parse_args(arguments)
    if chosen.role not in ROLES:
        print(f"sql: AS={chosen.role}: expected AS={' or AS='.join(ROLES)}", file=sys.stderr)
        return GIVEN_WRONGLY
    leave_out_foreign_settings()
    return in_a_sentence(
        lambda: become_psql(Stack(say=lambda line: None), chosen.role, chosen.command),
        lambda sentence: print(f"sql: {sentence}", file=sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
