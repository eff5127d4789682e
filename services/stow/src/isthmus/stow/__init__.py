"""The face for storing: STOW-RS."""
