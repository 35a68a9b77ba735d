"""The command line. `launch` answers what it can before torch is loaded."""
