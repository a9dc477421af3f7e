"""``python -m localnorm`` is ``localnorm``."""

from localnorm.cli import main

main()
