"""Processes forked from one that has the package imported and no threads: they are up in milliseconds."""

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

__all__ = ["forks"]


def forks() -> ForkServerContext:
    """What starts them; the process that is forked comes with the first and ends with this one."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["medallion_assets_tests.torture.world"])
    return context
