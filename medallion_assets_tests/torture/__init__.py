"""Runs that are killed, raced, starved and lied to, by the hundred: ``python -m medallion_assets_tests.torture``.

Every schedule is a lake of its own whose sources grow from run to run, because a fault that loses or doubles rows hides
behind a source that does not. The judge is arithmetic on what the sources hold.
"""
