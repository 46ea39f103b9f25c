"""What every part shares. Import the module you need: this one stays empty, because all would pay for it."""
