"""What is kept of a person, and how they are forgotten: suppressions, removal, and the proof that nothing is left."""
