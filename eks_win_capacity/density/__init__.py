"""Pods on a node: by its addresses, and by all that binds."""
