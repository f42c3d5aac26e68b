"""The maps: one TOML file a kind of system, and the loader that checks them. Facts, no code."""
