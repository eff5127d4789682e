"""The face for searches: QIDO-RS, and the list of origins."""
