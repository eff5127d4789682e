"""C-STORE: what came, where it goes, and what is answered."""
