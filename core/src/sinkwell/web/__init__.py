"""The only Litestar: callbacks, the API, problems."""
