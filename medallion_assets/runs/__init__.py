"""The three verbs: ingest, refine, verify. Everything they touch is an argument."""
