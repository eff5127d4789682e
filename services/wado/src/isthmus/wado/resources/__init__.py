"""What clients ask for, one module each: they read like the tables of PS3.18 10.4."""
