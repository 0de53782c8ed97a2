"""Every rule of silver broken once: ``python -m medallion_assets_tests.mutants`` shows which test falls.

A rule that can be broken without a test falling is a rule that nobody keeps.
"""
