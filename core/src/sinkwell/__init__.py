"""Sinkwell: a callback comes in, its file goes to your buckets, an event goes out."""
