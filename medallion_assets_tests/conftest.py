"""Servers that any test may ask for."""

from medallion_assets_tests.services.fixtures import azure_server, mariadb_server, postgres_server, s3_server

__all__ = ["azure_server", "mariadb_server", "postgres_server", "s3_server"]
