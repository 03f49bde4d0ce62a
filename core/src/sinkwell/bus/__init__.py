"""The relay of the event log to those who want to be told."""
