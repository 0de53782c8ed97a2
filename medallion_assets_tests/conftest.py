"""Servers that any test may ask for; no test is about time."""

from hypothesis import settings

from medallion_assets_tests.services.fixtures import azure_server, mariadb_server, moto, postgres_server, s3_server

__all__ = ["azure_server", "mariadb_server", "moto", "postgres_server", "s3_server"]

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
