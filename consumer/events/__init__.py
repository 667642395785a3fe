"""Bytes of the input topic to columns of events: decoding, and admission to learning."""
