"""Whatever objects hold, saved and put back: tensors, containers, generators, attributes, torch's modes."""
