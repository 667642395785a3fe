"""The command line: one command a file, each of which only reads options and calls what does the work.

Whatever needs the compiled kernels is imported inside its command: loading numba takes a second, and neither `--help`
nor a mistake in the settings should wait for it.
"""
