"""Tasks on a Ray cluster. Ray is an extra (`pip install 'clip-descriptions[ray]'`). No torch."""
