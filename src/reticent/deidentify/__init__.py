"""Pure functions from value to value: addresses, times, URLs, names in text, pseudonyms."""
