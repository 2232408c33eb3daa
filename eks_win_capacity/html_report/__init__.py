"""A report for managers: everything known of some clusters, on one HTML page."""

from eks_win_capacity.core.lazy import lazy_names

_HOME = {"ClusterPart": "page", "Report": "whole_report", "report": "whole_report"}
"""Module of each name; each loads on first use."""

__all__ = [*_HOME]  # noqa: PLE0604

__getattr__, __dir__ = lazy_names(__name__, _HOME)
