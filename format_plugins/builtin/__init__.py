"""The formats that ship: plugins like any other, one noun a file."""
