"""How right is a suggested learning rate? Tasks, a searched best rate of each, finders, and scores."""
