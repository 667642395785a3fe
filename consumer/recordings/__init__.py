"""Recorded behaviour in files: rows under any column names, as events in the standard form."""
