"""Run the command line as ``python -m eks_win_capacity``."""

from eks_win_capacity.cli import main

if __name__ == "__main__":
    main()
