"""Where objects lie: one port (``lake.ports.Store``), one adapter a kind of store."""
