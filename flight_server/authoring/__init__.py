"""What authors of plugins work with: the commands of `flight-server plugin`. Nothing here serves."""
