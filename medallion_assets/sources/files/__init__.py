"""Files: finding them, undoing compression and encoding, and one reader a format."""
