"""DICOM itself: UIDs, attributes, Part 10 bytes, the JSON model, matching."""
