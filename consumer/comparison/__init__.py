"""`freshrank compare`: two models on the same stretch of the stream."""
