"""JSON text to record batches and back: what the formats ``ndjson`` and ``json`` share."""
