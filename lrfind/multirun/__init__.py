"""What the jobs of a multirun came to, side by side: a table, a picture, a CSV."""
