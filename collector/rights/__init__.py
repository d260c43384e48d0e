"""What people may ask for: acts of consent by API and command line, erasure, holds."""
