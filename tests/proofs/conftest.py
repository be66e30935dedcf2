"""What proofs share with the tests of their parts."""

from tests.support.core_fixtures import connect, core_tables, cut  # noqa: F401 - fixtures
from tests.support.deployed_stack import deployed  # noqa: F401 - a fixture
from tests.support.warehouse_fixture import warehouse  # noqa: F401 - a fixture
