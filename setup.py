"""For tools that look for this file, and to say at once what an old Python lacks. Everything else is in setup.cfg."""

import sys

from setuptools import setup

if sys.version_info < (3, 11):
    sys.exit("Mintaka needs Python 3.11 or newer; this is Python {}.{}.".format(*sys.version_info))

setup()
