"""What the services of Isthmus share: bus, blobs, dicom, dicomweb, dimse, config, telemetry, service."""
