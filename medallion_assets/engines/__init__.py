"""Who evaluates the silver models."""
