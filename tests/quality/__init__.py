"""`make quality`: how good it is on recorded data, in QUALITY.md and build/quality.json. The data lie outside the
project; what is absent is said and left out."""
