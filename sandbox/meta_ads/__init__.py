"""A local Graph API: the parts of Meta's Marketing API that give accounts, campaigns and insights."""
