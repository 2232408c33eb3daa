"""What every room stands on: facts, errors, arithmetic, arrays and documents."""
