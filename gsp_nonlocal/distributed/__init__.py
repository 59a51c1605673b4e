"""Nonlocal blocks on maps whose positions are divided over processes, exactly: :doc:`/scale`."""

from gsp_nonlocal.distributed.batch_norms import join_batch_norms
from gsp_nonlocal.distributed.node_parallel import NodeParallel
from gsp_nonlocal.distributed.process_ranks import ProcessRanks

__all__ = ["NodeParallel", "ProcessRanks", "join_batch_norms"]
