"""How to read, count, sever and scan one kind of store: SQL databases, logs, documents."""
