"""How a command of the stack ends when something is wrong: in a sentence and an exit code, not in a traceback."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from urllib.error import URLError

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.account import DeployError
from infra.aws.outputs import OutputError
from local.airflow.api import AirflowAway, AirflowRefused
from local.listing_api.recordings import BadRecording
from local.stack.home import HomeError
from local.stack.ports import PortError
from local.stack.preflight import MachineRefused, SettingRefused
from local.stack.stack import StackError
from local.stack.supervisor import SupervisorError

INTERRUPTED = 130
GIVEN_WRONGLY = 2
# What was given cannot be used; nothing was started.
AT_FAULT = (HomeError, PortError, SettingRefused, MachineRefused, BadRecording)
# What a person or the machine can cause while a stack starts or runs. Anything else is a fault of ours.
EXPECTED = (
    AirflowRefused,
    BotoCoreError,
    ClientError,
    DeployError,
    OutputError,
    StackError,
    SupervisorError,
    http.client.HTTPException,
    psycopg.OperationalError,
    OSError,  # with it URLError, TimeoutError, a full disk, a folder that is not ours
)


def in_a_sentence(work: Callable[[], int], say: Callable[[str], None], failed: int = 1) -> int:
    """The exit code of `work`, which may be interrupted (130), given what it cannot use (2), or fail (`failed`).

    In these three cases `say` is told why. What nobody could expect is raised as it is.
    """
    try:
        return work()
    except KeyboardInterrupt:
        say("interrupted. `make status` shows whether a stack is up, `make down` ends it")
        return INTERRUPTED
    except AT_FAULT as error:
        say(str(error))
        return GIVEN_WRONGLY
    except EXPECTED as error:
        say(_sentence(error))
        return failed


def _sentence(error: Exception) -> str:
    if isinstance(error, psycopg.OperationalError):
        return f"a database does not answer: {str(error).strip()}. `make status` shows what runs"
    if isinstance(error, (AirflowAway, URLError, ConnectionError, http.client.HTTPException)):
        return f"a part of the stack does not answer: {error or type(error).__name__}. `make status` shows what runs"
    return str(error) or type(error).__name__
