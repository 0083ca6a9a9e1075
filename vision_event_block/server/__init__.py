"""The Event Store service: the event store of a device over HTTP, and a page to look at it."""
