"""What people see of a worker at this moment: gathered by the loop about once a second, read by anybody."""
