"""C-MOVE and C-GET: what is wanted of an origin, its instances as they come, and what becomes of each."""
