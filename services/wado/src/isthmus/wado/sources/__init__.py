"""Where bytes come from, and what is kept of what was made of them."""
