"""Logs as a store: found from a server's own configuration, counted, severed byte-exactly, scanned."""
