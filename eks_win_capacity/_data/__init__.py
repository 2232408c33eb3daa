"""Generated from ``data/`` by ``eks-win-capacity catalog refresh``."""
