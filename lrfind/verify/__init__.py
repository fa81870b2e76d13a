"""Short runs around a learning rate: does it hold?"""
