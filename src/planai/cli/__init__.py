"""The command line."""

from planai.cli.app import main as main
