"""The conformance kits that third parties run, and what tests and demos share."""
