"""Real servers for the tests, each on a free port of 127.0.0.1 with its data in a temporary folder.

``python -m medallion_assets_tests.services`` starts all of them and prints where they are, until Ctrl-C; the fixtures
of ``fixtures.py`` start one when the first test asks for it. Whatever is started is ended by its process id.
"""
