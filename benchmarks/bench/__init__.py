"""What the benchmarks share: the floor, the load, the CPU accounts, the report."""
