"""``python -m sinkwell``."""

from sinkwell.cli import main

main()
