"""The origins that are held here: what modalities and clients pushed to us."""
