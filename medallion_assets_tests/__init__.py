"""Tests, in folders named like the package's; ``end_to_end`` goes through the command line."""
