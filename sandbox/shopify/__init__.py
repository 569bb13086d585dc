"""Shopify in the sandbox: the Admin GraphQL API with bulk operations, over two fictional shops."""
