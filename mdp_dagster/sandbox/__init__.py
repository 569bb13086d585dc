"""Local servers that speak the platforms' wire protocols over one fictional but coherent world.

The production connectors run against them unmodified. For tests and the demo only.
"""

from mdp_dagster.sandbox.behaviour import Metrics
from mdp_dagster.sandbox.faults import Faults
from mdp_dagster.sandbox.server import Sandbox
from mdp_dagster.sandbox.world import World

__all__ = ["Faults", "Metrics", "Sandbox", "World"]
