"""Whole boxes of least cost for shapes of items, with a proved lower bound; nothing of EKS."""
