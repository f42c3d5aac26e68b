"""Pages for people, made from results only: nothing here opens a system, a state or a key."""
