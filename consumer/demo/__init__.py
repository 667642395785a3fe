"""`freshrank demo`: the real worker on an in-process Kafka, a planted trend, and what readers see of it."""
