"""文印 wenyin: official Chinese documents, from JSON to a sealed PDF that anyone can verify.

Importing this package starts nothing.
"""

__version__ = "0.1.0"
