"""What is done for buckets of others, with DICOM files in them, each as an origin."""
