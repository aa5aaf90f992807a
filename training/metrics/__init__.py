"""Benchmark of metrics of alt text after ContextRef (Kreiss et al. 2024): checks, readers, and paired differences."""
