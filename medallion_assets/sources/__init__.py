"""Where rows come from: the Source port over files (and, later, APIs, databases, Kafka, Python)."""
