"""The shop domain: orders, products and customers of the clients' shops."""
