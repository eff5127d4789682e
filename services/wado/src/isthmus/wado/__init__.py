"""The face for retrieval: WADO-RS."""
