"""`python -m app`, and what `mintaka serve` runs by its path: the program `mintaka`, whatever the current directory holds."""

import os
import sys

# Python puts the folder of a file that it runs first, where this package's `logging` would hide the standard library's
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != FOLDER]
if os.path.dirname(FOLDER) not in sys.path:
    sys.path.insert(0, os.path.dirname(FOLDER))

if __name__ == "__main__":
    from app.program import main

    main()
