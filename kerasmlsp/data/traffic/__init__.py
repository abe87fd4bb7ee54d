"""Speeds on a network of roads: from files to an even series without gaps, and what is known of the network.

pandas is imported where it is used, so that importing this module costs nothing.
"""

from kerasmlsp.data.traffic.network import Network, reachable, read_network, spectral_order
from kerasmlsp.data.traffic.speeds import DAY, Speeds, filled, read_speeds

__all__ = [
    "DAY",
    "Network",
    "Speeds",
    "filled",
    "reachable",
    "read_network",
    "read_speeds",
    "spectral_order",
]
