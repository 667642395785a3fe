"""`freshrank doctor`: the settings held against the real cluster, the real records and the real disk, before a start.

Nothing is written to Kafka, no group is joined and no transaction opened. `examine` runs the checks, each by itself;
every other file is one check: facts in, findings out.
"""
