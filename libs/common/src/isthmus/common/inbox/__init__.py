"""Inboxes: what modalities and clients push to us, whose only copy is ours."""
