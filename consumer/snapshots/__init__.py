"""What is published of the learned state, how it is written, and how it is read back."""
