"""Offline quality: recorded events through the code that runs live, asked what comes next before they are learned."""
