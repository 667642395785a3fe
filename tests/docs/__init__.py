"""Documents that are made of the code, and the tests that hold README and docs/ against it."""
