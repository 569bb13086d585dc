"""Access to Google Cloud: clients, and the text of their errors."""
