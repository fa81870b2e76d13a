"""Models of other frameworks as the arguments of lrfind's functions: `range_test(**from_module(module))`."""
