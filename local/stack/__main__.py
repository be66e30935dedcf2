"""python -m local.stack up|down|status|check: what `make up`, `down` and `status` run, and what `make doctor` asks."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console

from infra.deploy.shell import leave_out_foreign_settings
from local.stack.exit_sentences import in_a_sentence
from local.stack.ports import require_free
from local.stack.stack import Stack
from local.stack.status import show_status, show_where_to_look


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when done, 1 when a part did not come up or go down, 130 after Ctrl-C.

    2 means that a port, a setting or an argument is at fault, and that nothing was started.
    """
    parser = argparse.ArgumentParser(prog="python -m local.stack", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status", "check"))
    parser.add_argument("--recordings", help="with up: folder of recorded pages that the listing API serves")
    chosen = parser.parse_args(arguments)
    leave_out_foreign_settings()
    command = {"up": _up, "down": _down, "status": _status, "check": _check}[chosen.command]
    return in_a_sentence(
        lambda: command(Stack(recordings=chosen.recordings, say=_say)),
        lambda sentence: print(f"stack: {sentence}", file=sys.stderr),
    )


def _up(stack: Stack) -> int:
    started = time.monotonic()
    if not stack.up():
        _say("the stack is already up, nothing was started")
        return _status(stack)
    _say(f"up after {time.monotonic() - started:.0f} s\n")
    show_where_to_look(stack, _console())
    return 0


def _down(stack: Stack) -> int:
    was_there = stack.down()
    _say(f"down; the data stays in {stack.home.path}" if was_there else f"no stack has ever been in {stack.home.path}")
    return 0


def _check(stack: Stack) -> int:
    """Says nothing when `up` would start; else what it would refuse is raised."""
    stack.require_startable()
    if not stack.home.state_file.exists():
        require_free(stack.ports)
    return 0


def _status(stack: Stack) -> int:
    show_status(stack, _console())
    return 0


def _console() -> Console:
    console = Console(highlight=False)
    # Written to a file or a pipe, a table is not cut to the 80 columns that rich supposes there.
    return console if console.is_terminal else Console(highlight=False, width=140)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
