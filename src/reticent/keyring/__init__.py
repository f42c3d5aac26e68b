"""Keys: period keys, salts, signing keys, officers' signatures, and their destruction."""
