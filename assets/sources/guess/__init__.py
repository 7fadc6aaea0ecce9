"""What the files of a stranger are: their form, which column is what, and how sure that is."""
