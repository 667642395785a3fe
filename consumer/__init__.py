"""freshrank: learns from every shopper's action and publishes fresh item scores."""

__version__ = "0.1.0"
