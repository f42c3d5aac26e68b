"""The same questions asked by other code: due ties, residue, re-link attacks, conservation."""
