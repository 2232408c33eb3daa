"""One node as a stateful machine: what holds after any step, modes and subnets included."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eks_win_capacity import WarmPool
from eks_win_capacity.simulator.clock import nanoseconds
from eks_win_capacity.simulator.node import SimulatedNode

_pools = st.sampled_from(
    [
        WarmPool.secondary(),
        WarmPool.secondary(warm_ip_target=0, minimum_ip_target=2),
        WarmPool.prefix(),
        WarmPool.prefix(warm_ip_target=9, minimum_ip_target=30),
        WarmPool.prefix(warm_prefix_target=2),
    ]
)


class NodeMachine(RuleBasedStateMachine):
    @initialize(slots=st.integers(1, 6), pool=_pools, latency=st.sampled_from([0.0, 1.0, 40.0]))
    def start(self, slots, pool, latency):
        self.node = SimulatedNode(slots, pool, ec2_latency_s=latency)

    @rule(pod=st.integers(0, 30))
    def assign(self, pod):
        self.node.assign(pod)

    @rule(pod=st.integers(0, 30))
    def free(self, pod):
        self.node.free(pod)

    @rule(seconds=st.sampled_from([0.5, 1, 29, 30, 31, 3000]))
    def wait(self, seconds):
        self.node.advance(self.node.now + nanoseconds(seconds))

    @rule(pool=_pools)
    def configure(self, pool):
        self.node.configure(pool)

    @rule()
    def drain(self):
        self.node.drain()

    @rule(left=st.sampled_from([None, 0, 1]))
    def subnet(self, left):
        self.node.active.subnet_free = left

    @invariant()
    def addresses_are_conserved_and_slots_suffice(self):
        if not hasattr(self, "node"):
            return
        state, node = self.node.state(), self.node
        assert state["used"] + state["warm"] + state["cooling"] == state["addresses"]
        assert sum(pool.held_units for pool in node.pools) <= node.slots
        attached = sum(len(pool.units) for pool in node.pools)
        under_way = sum(pool.pending_delete for pool in node.pools)
        assert state["created"] - state["deleted"] == attached + under_way
        for pool in node.pools:
            assert all(0 <= warm <= pool.size for warm in pool.units.values())


TestNode = NodeMachine.TestCase
TestNode.settings = settings(max_examples=40, deadline=None, stateful_step_count=40)
