"""The inventory of ties; settings that create ties; unmapped places; weak pseudonyms."""
