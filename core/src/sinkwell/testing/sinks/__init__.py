"""The kit for sinks; ``contract.py`` puts its parts together."""
