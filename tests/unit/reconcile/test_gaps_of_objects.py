"""Objects that somebody deleted out of a complete set: noticed by their listing, before a replay needs them."""

from dataclasses import replace

import pytest

from include.base.keys import LISTINGS_FILE, REJECTS_FILE, SetKey
from include.reconcile.gaps import Gaps
from include.reconcile.message import for_a_person
from tests.support.examples import KEY, VERSION
from tests.support.sets_on_their_way import LATER_EXTRACTION, Stack, holding, turn


@pytest.fixture
def stack() -> Stack:
    """A stack with one set that is loaded, at eleven o'clock."""
    found = Stack()
    found.bring(KEY)
    return found


def lose(stack: Stack, bucket: str, key: SetKey, *names: str) -> None:
    """Deletes objects of a set by hand."""
    for name in names:
        del stack.s3.buckets[bucket][key.prefix + name]


@pytest.mark.parametrize("name", ["page-0001.json", "page-0002.json"])
def test_a_page_that_left_raw_is_copied_again(stack: Stack, name: str) -> None:
    """Also of a set that is loaded and does not hold its day; landing has it."""
    stack.bring(LATER_EXTRACTION)
    lose(stack, "raw", KEY, name)
    held = (holding(KEY.set_id(VERSION), 0, verdict="older"), holding(LATER_EXTRACTION.set_id(VERSION)))
    assert Gaps(not_copied=(KEY,)) == stack.gaps(held=held)


@pytest.mark.parametrize(("name", "landed"), [("page-0001.json", False), ("page-0002.json", True)])
def test_a_page_that_is_nowhere_is_named(stack: Stack, name: str, landed: bool) -> None:
    """Landing has forgotten the set, or lost the same page while raw shows that there was one behind it."""
    stack.put("raw", f"{KEY.prefix}page-0003.json")
    stack.put("landing", f"{KEY.prefix}page-0003.json")
    lose(stack, "raw", KEY, name)
    lose(
        stack,
        "landing",
        KEY,
        *([name] if landed else ["page-0001.json", "page-0002.json", "page-0003.json", "_manifest.json"]),
    )
    gaps = stack.gaps(loaded=(turn(KEY),))
    assert Gaps(broken=(f"{KEY.manifest} (raw lacks {name})",)) == gaps
    [heading, named, *todo] = for_a_person(gaps)
    assert (True, True) == ("1 set(s) lack objects" in heading, f"raw lacks {name}" in named)
    assert any("versions of the raw bucket" in line for line in todo)
    assert {KEY.partition} == gaps.partitions()


def test_pages_of_which_landing_has_the_manifest_alone_are_named(stack: Stack) -> None:
    """Nothing that landing has brings them back."""
    for bucket in ("landing", "raw"):
        lose(stack, bucket, KEY, "page-0001.json", "page-0002.json")
    assert Gaps(broken=(f"{KEY.manifest} (raw lacks page-0001.json)",)) == stack.gaps(loaded=(turn(KEY),))


@pytest.mark.parametrize("name", [LISTINGS_FILE, REJECTS_FILE])
def test_a_file_behind_its_success_is_cleaned_again(stack: Stack, name: str) -> None:
    """Also of a set that is loaded, and one that only raw has."""
    kept = replace(KEY, market="market-a")
    stack.copy(kept)
    stack.clean(kept)
    stack.sense(kept)
    for key in (KEY, kept):
        lose(stack, "clean", key, f"transform={VERSION}/{name}")
    assert Gaps(not_clean=(KEY, kept)) == stack.gaps(loaded=(turn(KEY), turn(kept)))


def test_a_file_of_a_set_that_is_nowhere_else_is_named(stack: Stack) -> None:
    """Its pages are in no bucket: it cannot be cleaned again."""
    kept = replace(KEY, market="market-a")
    stack.clean(kept)
    stack.sense(kept)
    lose(stack, "clean", kept, f"transform={VERSION}/{LISTINGS_FILE}")
    assert Gaps(broken=(f"{kept.manifest} (clean lacks {LISTINGS_FILE})",)) == stack.gaps(
        loaded=(turn(KEY), turn(kept)), held=(holding(kept.set_id(VERSION), 0, 0),)
    )


def test_it_costs_no_call_more(stack: Stack) -> None:
    """The listings have it: nothing is asked of any one object."""
    stack.s3.calls.clear()
    assert Gaps() == stack.gaps(loaded=(turn(KEY),))
    assert {"list_objects_v2"} == {name for name, _ in stack.s3.calls}
