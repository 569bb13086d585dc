"""Local servers that speak the platforms' wire protocols over one fictional but coherent world.

The production connectors run against them unmodified. For tests and the demo only.
"""

from sandbox.behaviour import Metrics
from sandbox.faults import Faults
from sandbox.server import Sandbox
from sandbox.world import World

__all__ = ["Faults", "Metrics", "Sandbox", "World"]
