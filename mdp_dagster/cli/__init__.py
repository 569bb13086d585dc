"""Commands for people: the demo, the development server, rebuilding raw."""
