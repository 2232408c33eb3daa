from eks_win_capacity import accessor as accessor
from eks_win_capacity import aws as aws
from eks_win_capacity import cluster as cluster
from eks_win_capacity import demo as demo
from eks_win_capacity import frames as frames
from eks_win_capacity import kubectl as kubectl
from eks_win_capacity import planning as _planning
from eks_win_capacity import plots as plots
from eks_win_capacity import simulator as simulator
from eks_win_capacity.addresses import mode_change as _mode_change
from eks_win_capacity.addresses import warm_pool as warm_pool
from eks_win_capacity.addresses.fit import nodes_that_fit as nodes_that_fit
from eks_win_capacity.addresses.mode_change import migration as migration
from eks_win_capacity.addresses.parsing import Reservation as Reservation
from eks_win_capacity.addresses.sizes import reservation_plan as reservation_plan
from eks_win_capacity.addresses.sizes import smallest_subnet as smallest_subnet
from eks_win_capacity.addresses.subnet import Subnet as Subnet
from eks_win_capacity.addresses.subnet import subnet_census as subnet_census
from eks_win_capacity.addresses.warm_pool import PoolState as PoolState
from eks_win_capacity.addresses.warm_pool import WarmPool as WarmPool
from eks_win_capacity.addresses.warm_pool import attached_addresses as attached_addresses
from eks_win_capacity.catalog import Catalog as Catalog
from eks_win_capacity.catalog import CatalogDiff as CatalogDiff
from eks_win_capacity.catalog import InstanceType as InstanceType
from eks_win_capacity.catalog.prices import Prices as Prices
from eks_win_capacity.catalog.prices import estimate_windows_prices as estimate_windows_prices
from eks_win_capacity.cluster import checks as _checks
from eks_win_capacity.cluster.autoscalers import karpenter_view as karpenter_view
from eks_win_capacity.cluster.checks import check_cluster as check_cluster
from eks_win_capacity.cluster.checks import remedies as remedies
from eks_win_capacity.cluster.full_subnet import drains_for_blocks as drains_for_blocks
from eks_win_capacity.cluster.pending import explain_pending as explain_pending
from eks_win_capacity.cluster.report import cluster_report as cluster_report
from eks_win_capacity.cluster.state import ClusterState as ClusterState
from eks_win_capacity.core import errors as errors
from eks_win_capacity.core.errors import CapacityError as CapacityError
from eks_win_capacity.core.spreadsheet import to_excel as to_excel
from eks_win_capacity.density.fleet import Fleet as Fleet
from eks_win_capacity.density.max_pods import ip_capacity as ip_capacity
from eks_win_capacity.density.max_pods import max_pods as max_pods
from eks_win_capacity.density.node_capacity import NodeCapacity as NodeCapacity
from eks_win_capacity.density.node_capacity import node_capacity as node_capacity
from eks_win_capacity.density.reserved import Reserved as Reserved
from eks_win_capacity.files import load_files as load_files
from eks_win_capacity.forecast import DemandPlan as DemandPlan
from eks_win_capacity.forecast import ExhaustionForecast as ExhaustionForecast
from eks_win_capacity.forecast import forecast_demand as forecast_demand
from eks_win_capacity.forecast import forecast_exhaustion as forecast_exhaustion
from eks_win_capacity.html_report.whole_report import report as report
from eks_win_capacity.planning import Buying as Buying
from eks_win_capacity.planning import FleetPlan as FleetPlan
from eks_win_capacity.planning import Workload as Workload
from eks_win_capacity.planning import plan_fleet as plan_fleet
from eks_win_capacity.simulator import BestTargets as BestTargets
from eks_win_capacity.simulator import Churn as Churn
from eks_win_capacity.simulator import CronJob as CronJob
from eks_win_capacity.simulator import Empirical as Empirical
from eks_win_capacity.simulator import Exponential as Exponential
from eks_win_capacity.simulator import Fixed as Fixed
from eks_win_capacity.simulator import LogNormal as LogNormal
from eks_win_capacity.simulator import Poisson as Poisson
from eks_win_capacity.simulator import RollingUpdate as RollingUpdate
from eks_win_capacity.simulator import best_targets as best_targets
from eks_win_capacity.simulator import effective_concurrency as effective_concurrency
from eks_win_capacity.simulator import simulate_churn as simulate_churn
from eks_win_capacity.simulator import simulate_nodes as simulate_nodes
from eks_win_capacity.simulator import simulate_pool as simulate_pool
from eks_win_capacity.widget import what_if as what_if

__version__: str

fleet = _planning
readiness = _checks
reports = cluster
toggling = _mode_change
