"""Scripts, configurations and data sets that train and compare nonlocal blocks."""
