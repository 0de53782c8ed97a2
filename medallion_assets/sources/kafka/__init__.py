"""A topic as a source: bounded reads whose offsets are the cursor."""
