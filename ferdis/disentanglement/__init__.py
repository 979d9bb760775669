"""What representations hold of identity and of expression, and how well expressions are transferred."""
