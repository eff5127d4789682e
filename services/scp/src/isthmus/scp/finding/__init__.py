"""C-FIND: from the Identifier of a request to queries on the bus, and from matches to responses."""
