"""The forms in which a secret is searched for: what they find, and what they do not take for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.secret_search import Find, Needles, in_commands, in_files

SECRET = "example/secret+not real="


@pytest.mark.parametrize("length", range(20, 26))
@pytest.mark.parametrize("before", ["", "u", "us", "user:", "loader:p:"])
@pytest.mark.parametrize("after", ["", "@", "@h", "@host"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_base64_is_found(
    length: int, before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    """Wherever it begins and ends within what was encoded, as in the header of a basic login."""
    secret = (SECRET * 2)[:length]
    text = encode((before + secret + after).encode())
    assert {Find("key", "log")} == Needles({"key": secret}).find("log", b"Authorization: Basic " + text + b"\n")


@pytest.mark.parametrize(
    "text",
    [SECRET, quote(SECRET, safe=""), SECRET.encode().hex(), json.dumps({"key": SECRET}), f"http://u:{quote(SECRET)}@h"],
)
def test_a_secret_is_found_in_each_form(text: str) -> None:
    """As it is, in a URL, in a row's bytes, in JSON."""
    assert {Find("key", "log")} <= Needles({"key": SECRET}).find("log", f"said: {text}, and more".encode())


def test_another_text_is_not_taken_for_it() -> None:
    """What is masked, cut short or like it is no find."""
    needles = Needles({"key": SECRET})
    for text in ("***", SECRET[:-3], SECRET.upper(), base64.b64encode(b"example/secret").decode()):
        assert set() == needles.find("log", text.encode())


def test_what_is_made_at_run_time_is_known_by_its_form() -> None:
    """A token that a process logs in with, and AWS keys in a statement, are found; masked ones are not."""
    parts = ('{"alg":"HS512"}', '{"sub":"not-real"}', "not-a-signature-but-as-long")
    token = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    keys = "credentials 'aws_access_key_id=x;aws_secret_access_key=example-not-real'"
    assert {Find("a token", "log")} == Needles({}).find("log", f"Bearer {token}".encode())
    assert {Find("AWS keys", "log")} == Needles({}).find("log", keys.encode())
    assert set() == Needles({}).find("log", keys.replace("example-not-real", "***").encode())


def test_files_and_command_lines_are_looked_into(tmp_path: Path) -> None:
    """A secret in a file, in the name of a file, or among the words of a command is found where it is."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "task.log").write_text("the key is example-key-not-real\n")
    (tmp_path / "example-key-not-real.txt").write_text("")
    (tmp_path / "clean.log").write_text("the key is ***\n")
    needles = Needles({"key": "example-key-not-real"})
    assert {"deep/task.log", "example-key-not-real.txt"} == {find.place for find in in_files(tmp_path, needles)}
    assert {Find("key", "a command line")} == in_commands(
        [["curl", "-H", "key: example-key-not-real"], ["ls"]], needles
    )
