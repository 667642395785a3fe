"""`freshrank replay`: history learned in event time, beside the live worker and apart from it."""
