"""Where rows come from: the Source port over files, APIs, databases, Kafka, Python functions and plug-ins."""
