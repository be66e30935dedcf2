"""What the tests of the template share."""

from tests.support.deployed_stack import deployed  # noqa: F401 - a fixture
