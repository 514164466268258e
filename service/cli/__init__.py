"""The command line: parse, call, print; exit codes say what kind of failure it was."""

from service.cli.app import main

__all__ = ["main"]
