//! Single behaviours of the simulator and of nodes in it.
