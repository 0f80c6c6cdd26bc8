"""The benchmarks: one module each, found by `benchmarks.frame`."""
