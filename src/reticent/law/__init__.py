"""Jurisdiction packs and records schedules as data, their loaders, the strictest-of."""
