"""Run the command line as ``python -m localnorm``."""

from localnorm.cli import main

main()
