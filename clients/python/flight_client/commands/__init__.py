"""The commands of `flight-client`, one noun a module. None imports pyarrow before it is needed."""
