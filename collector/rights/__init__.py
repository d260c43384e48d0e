"""What people may ask for: acts of consent by the API and the command, erasure, holds."""
