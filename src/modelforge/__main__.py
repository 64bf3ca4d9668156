"""``python -m modelforge``: the command line."""

from modelforge.cli import main

main()
