"""What the parts of the gateway hand to each other: frozen dataclasses, no behaviour beyond their own fields."""
