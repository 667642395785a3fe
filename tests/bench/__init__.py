"""Speed and memory of the worker on a real Kafka (`make bench`). Never part of the tests: what it says depends on the
machine, so it prints figures and their targets and fails only where something could not be measured."""
