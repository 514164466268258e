"""Tools for those who work on the project; none runs in the service."""
