"""Dead letters read back, and sent to the input again."""
