"""The database source: a table or a query, read once by the best driver of each kind of database."""
