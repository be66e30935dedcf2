"""How AWS is spoken to, and what a stage is told: it knows nothing of what is deployed."""
