"""Settings for every test. Its place also lets tests import `support`."""

from hypothesis import HealthCheck, settings

# Time limits are pytest's; a slow machine is no failure of a property.
settings.register_profile("collector", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("collector")
