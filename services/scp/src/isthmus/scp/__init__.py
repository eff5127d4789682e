"""The DIMSE face: what PACS and modalities send to us."""
