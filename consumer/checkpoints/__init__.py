"""When and how all state is saved, and how it is found again."""
