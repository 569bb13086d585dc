"""Example Ads in the sandbox."""
