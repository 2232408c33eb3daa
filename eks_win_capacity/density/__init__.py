"""How many pods fit on a node: by its addresses, and by all limits."""
