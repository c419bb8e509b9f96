"""Snakemake, asking SLURM for news every second: `python quick_snakemake.py ARGUMENTS`, for tests alone.

The executor plugin's pauses begin with the profile's 30 s and grow to three minutes, and no option limits them. All else is
as shipped; jobs run the ordinary Snakemake.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(executor: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
sys.argv[0] = "snakemake"
sys.exit(main())
