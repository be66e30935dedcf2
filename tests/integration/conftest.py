"""What integration tests share."""

from tests.support.core_fixtures import connect, core_tables, cut  # noqa: F401 - fixtures
from tests.support.mart_builds import mart_tables  # noqa: F401 - a fixture
from tests.support.warehouse_fixture import warehouse  # noqa: F401 - a fixture
