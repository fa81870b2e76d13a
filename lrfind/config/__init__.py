"""The config as validated dataclasses: the door that every run passes before data or device are touched."""
