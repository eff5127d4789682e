"""All origins as one: where a study is, and what to say when one of them does not answer."""
