"""The worker for DIMSE origins: C-ECHO, C-FIND, C-GET, C-MOVE, C-STORE."""
