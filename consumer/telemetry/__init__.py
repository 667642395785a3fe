"""What the worker says about itself: metrics for Prometheus, health for its supervisor, logs for people."""
