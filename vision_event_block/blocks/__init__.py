"""The blocks that this plugin adds to the Workflows engine. Importing it imports the engine."""

from vision_event_block.blocks.vision_event.v1.block import VisionEventBlockV1

BLOCKS = [VisionEventBlockV1]
