"""How answers leave: streamed, in parts, by ranges, in a zip, or not at all where nothing has changed."""
