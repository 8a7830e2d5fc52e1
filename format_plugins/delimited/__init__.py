"""Delimited text, CSV and its kin: the codec behind the ``csv`` and ``tsv`` plugins."""
