"""What is in force: rules, promises, the gate that decides by them and the prover that checks them."""
