"""Keys and partitions: made as the design writes them, and parsed back to what made them."""

import ast
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.base import keys
from include.base.keys import MalformedKey, SetKey
from tests.support.examples import KEY, PREFIX, VERSION

SLUGS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=90)
EXTRACT_IDS = st.from_regex(r"\d{8}T\d{6}Z-[0-9a-f]{6}", fullmatch=True, alphabet="0123456789TZ-abcdef")
SETS = st.builds(SetKey, SLUGS, SLUGS, st.dates(min_value=date(1000, 1, 1)).map(date.isoformat), EXTRACT_IDS)
VERSIONS = st.text("0123456789abcdef", min_size=12, max_size=12)


def test_keys_are_those_of_the_design() -> None:
    """Every key of a set is, character by character, what the buckets' policies and filters expect."""
    assert [
        PREFIX,
        PREFIX + "_manifest.json",
        "errors/" + PREFIX.removeprefix("listings/"),
        f"{PREFIX}transform={VERSION}/",
        f"{PREFIX}transform={VERSION}/_SUCCESS.json",
        f"ready/date=2026-11-22/zillow56~houston-tx~20261122T060003Z-1f3a9c~{VERSION}.json",
        f"zillow56/houston-tx/2026-11-22/20261122T060003Z-1f3a9c/{VERSION}",
        "zillow56/houston-tx|2026-11-22",
        "withdrawn/date=2026-11-22/zillow56~houston-tx~20261122T060003Z-1f3a9c.json",
    ] == [
        KEY.prefix,
        KEY.manifest,
        KEY.errors_prefix,
        KEY.clean_prefix(VERSION),
        KEY.success(VERSION),
        KEY.ready(VERSION),
        KEY.set_id(VERSION),
        KEY.partition,
        keys.withdrawal_key(KEY),
    ]


@given(SETS, VERSIONS)
def test_every_key_of_a_set_leads_back_to_it(key: SetKey, version: str) -> None:
    """Whatever object of a set is named, the set is found."""
    objects = [key.prefix, key.manifest, key.success(version), key.prefix + keys.page_name(3)]

    assert [key] * 4 == [SetKey.from_key(each) for each in objects] == [SetKey.of(each) for each in objects]
    assert key.partition == keys.partition_of(key.set_id(version))
    assert [key] * 2 == [keys.set_of(key.name), keys.set_of(key.set_id(version))]
    assert key == keys.parse_withdrawal(keys.withdrawal_key(key))
    assert keys.ReadyKey(key, version, None) == keys.parse_ready(key.ready(version))
    replayed = key.ready(version, key.extract_id)
    assert keys.ReadyKey(key, version, key.extract_id) == keys.parse_ready(replayed)
    assert replayed != key.ready(version)
    assert (key.source, key.market, key.date) == keys.parse_partition(key.partition)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "listings/",
        "errors/source=a/market=b/date=2026-11-22/extract=x/page-0001-403.body",
        "listings/source=a/market=/date=2026-11-22/extract=x/_manifest.json",
        "listings/source=a/market=B/date=2026-11-22/extract=x/_manifest.json",
        "listings/source=a/market=b/date=20261122/extract=x/_manifest.json",
        "listings/source=a/market=b/date=2026-11-22/extract=x",
        "listings/source%3Da/market%3Db/date%3D2026-11-22/extract%3Dx/_manifest.json",
    ],
)
def test_a_key_of_no_set_is_refused(key: str) -> None:
    """A key that was not made here is not guessed at: an error where a set must be, None where one may be."""
    with pytest.raises(MalformedKey, match="not a key of a set"):
        SetKey.from_key(key)
    assert SetKey.of(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "ready/date=2026-11-22/a~b~c.json",
        "ready/date=2026-11-22/a~b~c~d~.json",
        "ready/date=2026-11-22/a~b~c~d.json.tmp",
        "ready/a~b~c~d.json",
        KEY.manifest,
    ],
)
def test_a_key_of_no_marker_names_no_set(key: str) -> None:
    """A key that is no ready marker's is not guessed at."""
    assert keys.parse_ready(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "withdrawn/date=2026-11-22/a~b.json",
        "withdrawn/date=2026-11-22/a~b~c~d.json",
        "withdrawn/date=2026-11-22/a~b~c.json\n",
        "withdrawn/a~b~c.json",
        "ready/date=2026-11-22/a~b~c.json",
    ],
)
def test_a_key_of_no_withdrawal_names_no_set(key: str) -> None:
    """A key that is no withdrawal's is not guessed at."""
    assert keys.parse_withdrawal(key) is None


@pytest.mark.parametrize(
    "name",
    ["", "a/b/2026-11-22", "a/b/2026-11-22/c/", "a/b/2026-11-22/c/d/e", "a/B/2026-11-22/c", "a/b/2026-11-22/c\n"],
)
def test_a_name_of_no_set_is_refused(name: str) -> None:
    """What the warehouse's audit could not say says what was expected."""
    with pytest.raises(MalformedKey, match="expected source/market/date/extract, like zillow56/"):
        keys.set_of(name)


@pytest.mark.parametrize(
    "partition",
    ["", "2026-11-22", "all|2026-11-22", "zillow56/houston-tx", "zillow56/Houston|2026-11-22", "a/b|2026-11-22\n"],
)
def test_a_partition_of_another_form_is_refused(partition: str) -> None:
    """A partition key that names no source, market and date says what was expected."""
    with pytest.raises(MalformedKey, match=r"expected source/market\|YYYY-MM-DD"):
        keys.parse_partition(partition)


def test_the_warehouse_partition_gives_its_date() -> None:
    """The warehouse's partition of a date is all|date."""
    assert "2026-11-22" == keys.parse_warehouse_partition("all|2026-11-22")


@pytest.mark.parametrize("partition", ["", "2026-11-22", "all|", "all|22.11.2026", "zillow56/houston-tx|2026-11-22"])
def test_a_warehouse_partition_of_another_form_is_refused(partition: str) -> None:
    """What is not all|date says what was expected."""
    with pytest.raises(MalformedKey, match=r"expected all\|YYYY-MM-DD"):
        keys.parse_warehouse_partition(partition)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        (PREFIX + "page-0001.json", 1),
        (PREFIX + "page-12345.json", 12345),
        (PREFIX + "page-1.json", None),
        (PREFIX + "page-0001.json.part", None),
        (PREFIX + "_manifest.json", None),
        (PREFIX + "other-page-0001.json", None),
    ],
)
def test_pages_are_told_from_the_rest(key: str, number: int | None) -> None:
    """Only a page has a page number."""
    assert number == keys.page_number(key)


def test_page_names_sort_as_pages_do() -> None:
    """Key order is page order."""
    names = [keys.page_name(number) for number in range(1, 61)]

    assert ("page-0001.json", "page-0060.json") == (names[0], names[-1])
    assert names == sorted(names)


def test_an_extraction_keeps_its_id_when_it_is_run_again() -> None:
    """The id comes from run_after in UTC and the run id: the time zone it is written in does not matter."""
    moment = datetime(2026, 11, 22, 6, 0, 3, 999999, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=-6)))
    # printf manual__example | sha256sum
    expected = "20261122T060003Z-516831"

    assert [expected, expected] == [keys.extract_id(each, "manual__example") for each in (moment, elsewhere)]


def test_two_runs_of_one_moment_are_two_extractions() -> None:
    """Runs that start in the same second do not share a set."""
    moment = datetime(2026, 11, 22, 6, tzinfo=UTC)

    assert 2 == len({keys.extract_id(moment, run_id) for run_id in ("scheduled__1", "manual__1")})


def test_copy_manifests_belong_to_a_batch() -> None:
    """Each staging table of a batch has a COPY manifest of its own."""
    assert "loads/batch=4f0a_0/rejects.manifest" == keys.copy_manifest_key("4f0a_0", "rejects")


ROOT = Path(keys.__file__).parents[2]
# A folder of a key, a prefix of one of the kinds of keys, or what separates the parts of a marker's or a notice's name.
FOLDERS = "source|market|date|extract|transform|replay|batch|month"
KEY_PART = re.compile(rf"(^|/)({FOLDERS})=|^(ready|reports|loads|quota)/|\w~$")


def literals(path: Path) -> list[str]:
    """The texts of a file, those of f-strings part by part, without docstrings."""
    tree = ast.parse(path.read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def test_keys_are_made_in_one_place() -> None:
    """No other file of the pipeline spells a part of a key."""
    files = [path for folder in ("dags", "include", "plugins") for path in (ROOT / folder).rglob("*.py")]
    made = {path.relative_to(ROOT).as_posix(): list(filter(KEY_PART.search, literals(path))) for path in files}
    assert ["include/base/keys.py"] == [name for name, parts in made.items() if parts], made
