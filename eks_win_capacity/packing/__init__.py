"""Which boxes hold shapes of items at the least cost, with a proved bound; knows nothing of EKS."""
