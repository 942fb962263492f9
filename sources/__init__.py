"""Where data comes in: connectors by kind of source, and mappings by platform."""
