"""What deploy/ holds, tested as far as a machine without container engines and clusters can."""
