"""What a program that keeps accounts registered is tested with: a registrar, a network that fails, a clock that jumps."""
