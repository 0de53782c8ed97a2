"""Silver tables: whole versions of rows, each committed with its state."""
