"""The origins that are DICOMweb servers (PS3.18): asked by QIDO-RS, WADO-RS and STOW-RS."""
