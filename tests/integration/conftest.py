"""What integration tests share."""

from tests.integration.core_fixtures import connect, core_tables, cut  # noqa: F401 - fixtures
from tests.integration.warehouse_fixture import warehouse  # noqa: F401 - a fixture
