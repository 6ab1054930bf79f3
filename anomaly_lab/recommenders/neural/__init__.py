"""Neural recommenders in JAX, the extra ``neural``. Only modules of this package import it."""

import os

# One thread, so that sums run in one order and the same seed gives the same bits; JAX reads it once, when imported.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
