"""Version 1: the fields and meanings of the stock block, and what it takes to trust them."""
