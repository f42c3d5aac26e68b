"""Merkle log, checkpoints, proofs, witness. Knows nothing about libraries."""
