"""``python -m experiments``: see :mod:`experiments.cli`."""

from experiments.cli import main

if __name__ == "__main__":
    main()
