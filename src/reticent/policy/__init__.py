"""What is in force: retention, and later the gate's rules, promises and prover."""
