"""The learning pass over a batch, and the figures taken in it."""
