"""How examples are generated for unit tests."""

from __future__ import annotations

import contextlib

# The floors' environment has no hypothesis, nor a test that uses it.
with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    # How long an example takes says how busy the machine is, and nothing of the code.
    settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any-machine")
