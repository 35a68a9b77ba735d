"""What two processes see that train a flow together: tests/test_flow_examples.py starts both.

python flow_ranks.py FOLDER RANK
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

sys.path.append(str(Path(__file__).parents[1] / "examples"))


def batches():
    """What both share: three batches of 24 points."""
    return torch.randn(3, 24, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def trained(flows, part=slice(None)):
    """A flow after three steps on a part of each batch, and what was chosen."""
    torch.manual_seed(0)
    flow = flows.Flow(flows.Velocity(2, 16), steps=2).double()
    shared = DistributedDataParallel(flow) if dist.is_initialized() else flow
    optimiser = torch.optim.Adam(flow.parameters(), lr=0.01)
    for batch in batches():
        optimiser.zero_grad()
        (-shared(batch[part]).mean()).backward()
        optimiser.step()
    growth, t = flow.growth, torch.tensor(0.5, dtype=torch.float64)
    choice = growth.divergence.choice(growth.velocity, t, batches()[0][part])
    return flow.state_dict(), vars(choice)


def main(folder, rank):
    """One of the two."""
    import normalising_flow as flows

    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    if rank == 0:  # one process alone may ask for a likelihood: it waits for no other
        data, _ = flows.mixture(2)
        flows.missing(flows.Flow(flows.Velocity(2, 16), steps=2), data, 32)
    torch.save(trained(flows, slice(rank, None, 2)), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
