"""What representations hold of identity and of expression, and what a transfer changes (``ferdis disentangle``)."""
