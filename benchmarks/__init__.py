"""Our step beside the stock block, in the real engine, in one run on one machine."""
