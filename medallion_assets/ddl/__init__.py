"""Silver tables for readers with an engine of their own: statements that make them and their views there."""
