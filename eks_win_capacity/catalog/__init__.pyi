from eks_win_capacity.catalog._catalog import Catalog as Catalog
from eks_win_capacity.catalog._catalog import given_or_bundled as given_or_bundled
from eks_win_capacity.catalog._diff import CatalogDiff as CatalogDiff
from eks_win_capacity.catalog._diff import Change as Change
from eks_win_capacity.catalog._instance_type import InstanceType as InstanceType
from eks_win_capacity.catalog._instance_type import Reason as Reason
from eks_win_capacity.catalog._instance_type import WindowsVerdict as WindowsVerdict
