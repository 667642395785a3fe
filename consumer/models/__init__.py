"""What is learned: value-in, value-out models on numpy arrays, with compiled kernels."""
