"""The numbers of an analysis: what is measured, the records that hold it, and what they say in words."""
