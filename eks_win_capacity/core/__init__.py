"""What do all rooms use: facts, errors, arguments, arrays, displays and documents."""
