"""Changes that another SchemaBot makes: planned, handed over, followed and commanded through its HTTP API."""
