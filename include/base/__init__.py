"""What all rooms speak: keys, settings, the records that travel. It imports none of them."""
