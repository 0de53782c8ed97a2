"""What silver means, as pure functions: bronze rows to typed rows to events to the rows of a model."""
