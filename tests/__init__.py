"""The tests, room by room as the package; `tests.toy_tasks` and `tests.toy_configs` are what they share."""
