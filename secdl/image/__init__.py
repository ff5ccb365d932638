"""The image engine: opens a root file system that nobody vouches for, and looks at what is in it."""
