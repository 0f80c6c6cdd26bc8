"""The platforms, the command line and the composition root."""
