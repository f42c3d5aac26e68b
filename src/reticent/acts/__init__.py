"""One file an act: opens site, stores, state, keyring and ledger, and runs the job."""
