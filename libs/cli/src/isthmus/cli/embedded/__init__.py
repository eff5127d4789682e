"""The servers that `isthmus up` brings along, each of which can be started alone, in tests for example."""

from isthmus.cli.embedded.demo_pacs import EmbeddedDemoPacs
from isthmus.cli.embedded.gateway import EmbeddedGateway
from isthmus.cli.embedded.nats import EmbeddedNats
from isthmus.cli.embedded.s3 import EmbeddedS3

__all__ = ["EmbeddedDemoPacs", "EmbeddedGateway", "EmbeddedNats", "EmbeddedS3"]
