"""The clients file: the model of its content, and its reader."""
