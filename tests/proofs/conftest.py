"""What proofs share with the tests of their parts."""

from tests.infra.deployed_stack import deployed  # noqa: F401 - a fixture
from tests.integration.core_fixtures import connect, core_tables, cut  # noqa: F401 - fixtures
from tests.integration.warehouse_fixture import warehouse  # noqa: F401 - a fixture
