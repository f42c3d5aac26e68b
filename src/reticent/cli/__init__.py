"""Parses the command line, calls an act, prints."""
