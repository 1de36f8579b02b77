"""AMS units that are not there: simulated plants, replayed data files, pure load."""
