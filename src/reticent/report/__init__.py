"""Pages for people, made from results only."""
