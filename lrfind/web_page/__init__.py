"""Finished runs as one web page that needs nothing but itself: `lrfind report`."""
