"""Where independent runs are executed; nothing else knows of processes."""
