"""Reticent's own database: runs, receipts, tallies, arming, holds. Implements the ports."""
