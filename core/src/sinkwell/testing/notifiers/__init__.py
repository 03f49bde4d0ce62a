"""The kit for notifiers; ``contract.py`` puts its parts together."""
