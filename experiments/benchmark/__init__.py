"""SNL against the dense textbook form and against the floor, in turns within one run."""
