"""The nouns of the lake: identifiers, windows, the commit log's records, results, ports. Pure."""
