"""Benchmarks of lrfind, run from the repository root; not part of the package."""
