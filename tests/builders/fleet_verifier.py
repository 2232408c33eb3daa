"""Check a fleet plan by arithmetic of its own; nothing here knows how it was found."""

MIB = 2**20


def attached(slots, pods, *, prefix, warm=None, minimum=None):
    """Addresses and /28 a node keeps with the default targets (controller b8d425119bdb)."""
    if not prefix:
        return min(slots, max(pods + 3, 3)), 0
    blocks = min(slots, -(-max(pods + 1, 3) // 16))
    return 16 * blocks, blocks


def problems(
    plan, workloads, catalog, *, prefix=False, kubelet=110, subnets=(), slots=None, even=()
):
    """List everything that is wrong with a feasible plan."""
    wrong = []
    loads = {load["name"]: load for load in workloads}
    placed = dict.fromkeys(loads, 0)
    zones = {}
    taken = {}
    for group in plan.groups:
        row = catalog[group.instance_type]
        where = f"{group.instance_type} {group.pods}"
        cpu = sum(n * loads[name].get("cpu_m", 0) for name, n in group.pods.items())
        memory = sum(n * loads[name].get("mib", 0) * MIB for name, n in group.pods.items())
        addressed = sum(n for name, n in group.pods.items() if not loads[name].get("host_process"))
        pods = sum(group.pods.values())
        ips = row.ipv4_per_interface - 1
        nitro = prefix and row.nitro
        if cpu > row.vcpus * 1000:
            wrong.append(f"CPU: {where}")
        if memory > (row.memory_mib - 1536 - 512 - 200) * MIB:
            wrong.append(f"memory: {where}")
        if addressed > ips * (16 if nitro else 1):
            wrong.append(f"addresses: {where}")
        if pods > kubelet:
            wrong.append(f"kubelet: {where}")
        if row.windows.status == "unsupported":
            wrong.append(f"no Windows: {where}")
        for name, number in group.pods.items():
            placed[name] += number * group.nodes
            zones.setdefault(name, {}).setdefault(group.zone, 0)
            zones[name][group.zone] += number * group.nodes
            if loads[name].get("anti_affinity") and number > 1:
                wrong.append(f"anti-affinity: {where}")
            allowed = loads[name].get("allowed_types")
            if allowed and group.instance_type not in allowed:
                wrong.append(f"not allowed: {where}")
        addresses, blocks = attached(ips, addressed, prefix=nitro)
        if (group.addresses, group.prefixes) != (addresses + 1, blocks):
            wrong.append(f"attached: {where}: {group.addresses}, {group.prefixes}")
        used = taken.setdefault(group.subnet, [0, 0])
        used[0] += group.nodes * (addresses + 1)
        used[1] += group.nodes * blocks
        if group.nodes < 1:
            wrong.append(f"no nodes: {where}")
    for name, load in loads.items():
        want = (slots or {}).get(name, load["replicas"])
        if placed[name] != want:
            wrong.append(f"{name}: {placed[name]} placed of {want}")
    for name, names in even:
        counts = [zones.get(name, {}).get(zone, 0) for zone in names]
        if max(counts) - min(counts) > 1:
            wrong.append(f"{name} is uneven: {counts}")
    for subnet in subnets:
        addresses, blocks = taken.pop(subnet.cidr, (0, 0))
        if addresses > subnet.free or blocks > subnet.free_prefixes:
            wrong.append(f"{subnet.cidr} holds {addresses}, {blocks}")
    if subnets and taken:
        wrong.append(f"nodes outside the subnets: {sorted(taken)}")
    if plan.lower_bound > plan.value * (1 + 1e-9):
        wrong.append("the bound exceeds the cost")
    return wrong
