"""reticent.toml -> Site: what the library wrote, checked."""
