"""The sample library: a made-up town library with Koha-shaped tables and planted faults."""
