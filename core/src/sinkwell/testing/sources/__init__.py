"""The kit for sources; ``contract.py`` puts its parts together."""
