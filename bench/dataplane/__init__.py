"""What the data path costs, beside what users would run otherwise: `make bench-dataplane`."""
