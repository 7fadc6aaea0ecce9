"""A made-up world of short videos whose truth is known: seeded, scaled by one number, any day made alone."""
