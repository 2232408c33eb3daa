from eks_win_capacity.frames.sized import nodes_needed as nodes_needed
from eks_win_capacity.frames.sized import totals as totals
from eks_win_capacity.frames.sized import with_attached_addresses as with_attached_addresses
from eks_win_capacity.frames.sized import with_capacity as with_capacity
