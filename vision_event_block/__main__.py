"""`python -m vision_event_block` is `vision-events`."""

from vision_event_block.cli import main

main()
