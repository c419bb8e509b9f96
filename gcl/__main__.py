"""`python -m gcl` is the `gcl` command; torchrun and srun start it so, too."""

import sys

from gcl.cli.main import main

if __name__ == "__main__":
    sys.argv[0] = "gcl"  # what records of the command line say
    sys.exit(main())
